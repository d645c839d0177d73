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

#endif
