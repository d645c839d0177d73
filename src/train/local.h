/*
 * local.h - what stays each worker's own when weights are averaged: batch norm (--local-statistics)
 *
 * All numbers of a layer that has statistics, its scale and shift as well, are a worker's own from the first step to the
 * last: averages neither change them nor are made for training.  They travel nonetheless, since a model to be tested
 * needs some: it has their mean, which no outer rule changes.
 * Source: FedBN, Li et al., arXiv:2102.07623.
 */
#ifndef BRAMBLE_TRAIN_LOCAL_H
#define BRAMBLE_TRAIN_LOCAL_H

#include "base/error.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

/* Numbers side by side in the flat vector. */
typedef struct local_piece {
    size_t begin, n;
} local_piece;

typedef struct local {
    local_piece
        *pieces; /* n_pieces of all weights; none: all is averaged, and no function does anything */
    size_t n_pieces;
    size_t n;          /* numbers of all of them */
    float *own, *mean; /* of these, one piece behind the other */
} local;

/* local_check - does a model have any?  false with err (user).  Not collective. */
bool local_check(const model *of, error *err);

/* local_init - memory for those of a model; false with err (environment), then it is to be released, too.  Not
 * collective. */
bool local_init(local *self, const model *of, error *err);
void local_release(local *self);

/* local_begin - w are everybody's weights; a worker's become its own where a checkpoint had such (resumed), else its
 * own become those.  Not collective. */
void local_begin(local *self, float *w, bool resumed);

/*
 * In the order of an average of w; not collective:
 * local_take  - before it: these are this worker's own
 * local_mean  - after it: this is their mean
 * local_share - after all that changes weights: w has the mean once more
 * local_give  - a worker's w has its own; anew: its own become what w has, for a worker whose numbers are lost
 */
void local_take(local *self, const float *w);
void local_mean(local *self, const float *w);
void local_share(const local *self, float *w);
void local_give(local *self, float *w, bool anew);

#endif
