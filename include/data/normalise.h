/*
 * normalise.h - what is average in images, as --normalise says it: mean and deviation of each channel, of bytes / 255
 *
 *   half                  0.5 and 0.5: what a network sees is -1 .. 1
 *   M1,M2,.../D1,D2,...   numbers, for each channel
 *   measured              of the images that are trained on
 *
 * What was measured is written down as numbers: a model is only worth something with those it was trained with.
 */
#ifndef BRAMBLE_DATA_NORMALISE_H
#define BRAMBLE_DATA_NORMALISE_H

#include "base/error.h"
#include "data/input.h"
#include "data/source.h"

#include <stdint.h>

/* normalise_check - is it one of these?  false with err (user) */
bool normalise_check(const char *text, error *err);

/* normalise_is_measured - do images have to be looked at? */
bool normalise_is_measured(const char *text);

/* normalise_set - half, or numbers; false with err (user): not as many as there are channels, or as normalise_check */
bool normalise_set(input_values *self, const char *text, error *err);

/*
 * normalise_measure - from the training images below n that have an owner (data/partition.h)
 * A channel that is the same everywhere has a deviation of 1 / 255.  Sums are of whole numbers.
 * false with err: a read, memory (environment).  Not collective.
 */
bool normalise_measure(input_values *self, source *from, const uint32_t *owner, size_t n,
                       error *err);

/* normalise_write - as normalise_set would take it, to the same bits; false with err (user): more than n_bytes */
bool normalise_write(const input_values *self, char *text, size_t n_bytes, error *err);

#endif
