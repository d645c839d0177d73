/*
 * input.h - how the bytes of an image become what a network sees
 *
 * Input values, the same for training and testing and on all ranks, say what the images are and what is average in
 * them.  An input rule is made of them once and then only read: shift and factor per channel, and what becomes of an
 * image before (augmentation).  Who trains and who tests has a rule of its own.
 *
 * To add an augmentation: a function from bytes to bytes, given to input_rule_augment (those of --augment: augment.h).
 */
#ifndef BRAMBLE_DATA_INPUT_H
#define BRAMBLE_DATA_INPUT_H

#include "base/error.h"
#include "data/dataset.h"
#include "data/mixup.h"

#include <stddef.h>
#include <stdint.h>

/*
 * What chance may depend on when it changes an image: not on the worker or thread that draws it, nor on the
 * batch.  Number k is of (seed, random_stream(RANDOM_AUGMENT, which change, epoch), image * 2^32 + k).
 */
typedef struct input_key {
    uint64_t seed;
    uint32_t epoch;
    uint32_t image; /* its number in the whole training set */
} input_key;

/* One change: a crop, a mirror image. */
typedef struct augmentation {
    int height, width; /* of what it makes; channels stay */
    /*
     * apply - a pure function, called by many threads
     *   image  in   [channels][height][width] bytes of shape `from`
     *   made   out  [channels][self->height][self->width] bytes
     */
    void (*apply)(const struct augmentation *self, input_key key, image_shape from,
                  const uint8_t *image, uint8_t *made);
    const void *settings; /* its own */
} augmentation;

/* What all rules are made of. */
typedef struct input_values {
    image_shape from; /* images of the data set */
    /* of each channel, as bytes / 255; deviation > 0, and where init has made it right behind mean */
    float *mean, *deviation;
} input_values;

/* input_values_init - 0.5 for all, which gives -1 .. 1; false with err: memory.  input_values_release frees it, also
 * after failure.  Not collective. */
bool input_values_init(input_values *self, image_shape from, error *err);
void input_values_release(input_values *self);

/* Neighbouring channels that are treated alike. */
typedef struct input_run {
    int n_channels;
    float middle, scale; /* x = (byte - middle) * scale */
} input_run;

enum { INPUT_MAX_CHANGES = 8 };
enum { INPUT_MIXUP = 6 }; /* number of that change, for its random numbers */

typedef struct input_rule {
    image_shape from; /* images of the data set */
    image_shape to;   /* what the network gets: [channels][height][width] */
    input_run *runs;  /* n_runs, from the first channel on */
    int n_runs;
    const augmentation *augment[INPUT_MAX_CHANGES]; /* n_augment, one after the other */
    int n_augment;
    uint64_t seed;       /* of all of them */
    size_t change_bytes; /* the largest image that one of them makes */
    uint8_t *room;  /* for a batch of images, n_rooms of change_bytes each: from one to the other */
    size_t n_rooms; /* 2; with another image to be mixed in, 4 */
    const mixup *mix; /* NULL: none */
    /* of a batch that is mixed: the class of the other image, and its share of the label, 0 to 1/2; else NULL */
    uint16_t *others;
    float *shares;
} input_rule;

/*
 * input_rule_init - x = (byte / 255 - mean) / deviation, within one rounding of each operation
 * false with err: memory.  input_rule_release frees it, also after failure.  Not collective.
 */
bool input_rule_init(input_rule *self, const input_values *of, error *err);
void input_rule_release(input_rule *self);

/*
 * input_rule_augment - change every image before it is loaded, after the changes given before; at most
 *                      INPUT_MAX_CHANGES
 *   how         in  must outlive the rule
 *   max_images  in  of a batch, the same for all changes; from now on the rule serves one batch at a time
 * false with err: memory.  Not collective.
 */
bool input_rule_augment(input_rule *self, const augmentation *how, uint64_t seed, size_t max_images,
                        error *err);

/*
 * input_rule_mix - mix the next image of a batch into each, the first into the last, when all else is done to both
 *   how  in  must outlive the rule
 * Comes after all changes.  Else as input_rule_augment; labels, others and shares are what a loss is made of then.
 */
bool input_rule_mix(input_rule *self, const mixup *how, uint64_t seed, size_t max_images,
                    error *err);

#endif
