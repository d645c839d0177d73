/*
 * dataset.h - labelled images in memory, as bytes
 *
 * An image is `channels` planes of height x width bytes (CIFAR-10: red, green, blue, 32 x 32), a label
 * the number of its class.  source.h is where they come from.
 */
#ifndef BRAMBLE_DATA_DATASET_H
#define BRAMBLE_DATA_DATASET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* The shape of every image of a data set. */
typedef struct image_shape {
    int channels, height, width;
    int n_classes; /* labels are 0 .. n_classes - 1, at most 65,536 */
} image_shape;

/* Images in memory: n * channels * height * width bytes, n labels, and where each stands in its split. */
typedef struct dataset {
    image_shape shape;
    size_t n;
    uint8_t *images;
    uint16_t *labels;
    uint32_t *numbers;
} dataset;

/*
 * Some images of a data set, in the order in which they are wanted.  Where several share out a batch, behind the last
 * comes `next` of it, the image after theirs.
 */
typedef struct samples {
    const uint32_t *indices; /* of the n images; NULL: first, first + 1, ... */
    size_t first, n;
    const uint32_t *next; /* NULL: of nobody else's; the first of theirs */
    uint32_t epoch;       /* that they belong to: how often the whole shard was handed out before */
} samples;

/*
 * dataset_init - memory for n < 2^32 images of a shape, zeroed, numbered from 0; dataset_release frees it
 * Returns false with err (environment) when memory is out.  Not collective.
 */
bool dataset_init(dataset *self, image_shape shape, size_t n, error *err);
void dataset_release(dataset *self);

/*
 * A checksum of images as they pass, in order and in pieces of any size: of all labels and of every
 * 1,000th image.  A label counts as one byte where there are at most 256 classes, else as two, the lower first.
 */
typedef struct data_checksum {
    uint32_t labels, images;
    size_t n; /* passed so far */
} data_checksum;
void data_checksum_add(data_checksum *self, image_shape shape, const uint8_t *images,
                       const uint16_t *labels, size_t n);

/* image_bytes - channels * height * width */
size_t image_bytes(image_shape shape);

#endif
