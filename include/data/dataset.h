/*
 * dataset.h - labelled images, as bytes, from whatever holds them
 *
 * An image is `channels` planes of height x width bytes (CIFAR-10: red, green, blue, 32 x 32), a label
 * the number of its class.  A source is opened on rank 0 alone, which reads it piece by piece and sends the pieces
 * on: nobody needs the whole training set in memory.
 *
 * To add a data set: one file in src/data with a `source_kind`, one line in src/data/registry.c.
 */
#ifndef BRAMBLE_DATA_DATASET_H
#define BRAMBLE_DATA_DATASET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum split { SPLIT_TRAIN = 0, SPLIT_TEST = 1 };

enum { DATASET_MAX_CLASSES = 1 << 16 };

/* The shape of every image of a data set. */
typedef struct image_shape {
    int channels, height, width;
    int n_classes; /* labels are 0 .. n_classes - 1, at most DATASET_MAX_CLASSES */
} image_shape;

/* Images in memory: n * channels * height * width bytes, n labels, and where each stands in its split. */
typedef struct dataset {
    image_shape shape;
    size_t n;
    uint8_t *images;
    uint16_t *labels;
    uint32_t *numbers;
} dataset;

/* Some images of a data set, in the order in which they are wanted. */
typedef struct samples {
    const uint32_t *indices; /* of the n images; NULL: first, first + 1, ... */
    size_t first, n;
    uint32_t epoch; /* the pass over the data that they belong to */
} samples;

typedef struct source source;

/*
 * source_open - make a data set ready for reading, and check what can be checked without reading all
 *   spec  in  a folder with CIFAR-10's binary files, or "synthetic:" or "synthetic:n" (n training
 *             images and n / 5, at least 10, test images; 50,000 and 10,000 by default)
 *   seed  in  for generated data; files ignore it
 * Returns NULL with err (user): no such folder, a file missing, or of the wrong size; the line names
 * the file and what it should be.  Not collective.
 */
source *source_open(const char *spec, uint64_t seed, error *err);

/* source_free - close it; NULL is legal */
void source_free(source *self);

/* source_shape, source_count - what it holds; the name of class c ("airplane"), NULL past the last */
image_shape source_shape(const source *self);
size_t source_count(const source *self, enum split split);
const char *source_class_name(const source *self, int c);

/*
 * source_read - copy images first .. first + n - 1 of a split, in file order
 *   images  out  n * channels * height * width bytes
 *   labels  out  n, each checked to be below n_classes
 * Returns false with err: a label out of range (user; file, image and label named), a short or failed
 * read (environment).  first + n <= source_count.  Not collective.
 */
bool source_read(source *self, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err);

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

/* ---- for those who add a data set -------------------------------------------------------------- */

typedef struct source_kind {
    const char *name;  /* "cifar10" */
    const char *about; /* one line for --help and `bramble info` */
    /* claims - whether spec is meant for this kind (a look at the string; the first claimant has it) */
    bool (*claims)(const char *spec);
    /* open - returns the kind's own state, and fills shape and counts; NULL with err */
    void *(*open)(const char *spec, uint64_t seed, image_shape *shape, size_t count[2], error *err);
    /* read - as source_read, arguments already checked */
    bool (*read)(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err);
    const char *(*class_name)(const void *state, int c);
    void (*close)(void *state);
} source_kind;

/* source_kinds - all kinds in the order in which they are asked, NULL-terminated (registry.c) */
extern const source_kind *const source_kinds[];

#endif
