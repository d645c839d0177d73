/*
 * holdout.h - training images that nobody trains on: to choose a recipe by
 */
#ifndef BRAMBLE_DATA_HOLDOUT_H
#define BRAMBLE_DATA_HOLDOUT_H

#include "base/error.h"
#include "data/source.h"

#include <stddef.h>
#include <stdint.h>

/*
 * holdout_choose - some of the first n_all training images, as many of each class, but for one image
 *   from  in   read for the labels
 *   held  out  n numbers, ascending
 * Where n is not a multiple of the classes, the first classes have one image more.  Which they are is a function of
 * seed and labels.  false with err: a class has too few images (user), a read, memory (environment).  Not collective.
 */
bool holdout_choose(source *from, size_t n_all, uint64_t seed, uint32_t *held, size_t n,
                    error *err);

/*
 * holdout_of_each - of each owner's images a share, at least one, and at least one is left
 *   owner   inout  of n_all images; those held out have nobody any more
 *   tester  out    n_all: the owner of those held out, PARTITION_NOBODY of all others
 *   counts  inout  n_owners: images of each, then of what is left
 *   tests   out    n_owners: held out
 * Which they are is a function of the seed and the owner's number.  false with err: an owner has a single image (user),
 * memory (environment).  Not collective.
 */
typedef struct holdout_owners {
    uint32_t *owner, *tester;
    size_t n_all;
    uint64_t *counts, *tests;
    size_t n_owners;
} holdout_owners;
bool holdout_of_each(const holdout_owners *of, double share, uint64_t seed, error *err);

#endif
