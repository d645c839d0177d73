/*
 * augment.h - the changes that --augment names: what chance does to the bytes of training images
 *
 * A list, "flip,crop:4:reflect", is applied from left to right to each image when it is drawn.  What becomes of
 * an image is a function of (seed, epoch, number of the image) alone, in whole numbers: the same bytes everywhere; but
 * which image mixup mixes in, the batch says, whoever shares it.
 *
 *   flip            mirror with probability 1/2; flip:alternate draws once, in epoch 0, and then mirrors every image
 *                   in every second epoch, so that two epochs in a row show both (K. Jordan, arXiv:2404.00498)
 *   crop:N          pad by N pixels, black or (crop:N:reflect) mirrored at the border, and cut out the size there was
 *   cutout:N        N x N pixels about a random place become the mean (DeVries and Taylor, arXiv:1708.04552)
 *   color:B         brightness and contrast times a factor each, 1 - B to 1 + B, contrast about the image's mean
 *   rotate:D        about the middle by at most D degrees, either way; bilinear, what is missing from the border
 *   mixup:A         another image of the batch is mixed in (mixup.h), and its label into the label, last of all
 *
 * To add one: a line in the list in src/data/augment.c, whose apply is a function of the form in input.h.
 */
#ifndef BRAMBLE_DATA_AUGMENT_H
#define BRAMBLE_DATA_AUGMENT_H

#include "base/error.h"
#include "data/input.h"

#include <stdint.h>

/* A change as it was asked for; what `settings` of its augmentation points to. */
typedef struct augment_change {
    uint32_t number;   /* of its kind, for random_stream: never that of another */
    int64_t amount;    /* pixels; of 65,536 (color); of 2^26 radian (rotate); of 2^20 (mixup) */
    bool variant;      /* alternate, reflect */
    const float *mean; /* of each channel, as in input_values */
} augment_change;

/* What a list asks for; not to be moved once fitted. */
typedef struct augment {
    int n;
    augmentation how[INPUT_MAX_CHANGES];
    augment_change change[INPUT_MAX_CHANGES];
    const char *name[INPUT_MAX_CHANGES];
    mixup mix; /* where one of them is mixup, whose apply is NULL */
} augment;

/* augment_parse - take a list apart; "": no change.  false with err (user) */
bool augment_parse(augment *self, const char *list, error *err);

/*
 * augment_fit - prepare the changes for images
 *   of  in  must outlive it
 * false with err (user): the images are too small for one.
 */
bool augment_fit(augment *self, const input_values *of, error *err);

/* augment_rule - have a rule make them, for batches of max_images; false with err: memory */
bool augment_rule(const augment *self, input_rule *rule, uint64_t seed, size_t max_images,
                  error *err);

#endif
