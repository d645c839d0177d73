/*
 * local.h - what stays each client's own when weights are averaged: batch norm (--local-statistics)
 *
 * All numbers of a layer that has statistics, its scale and shift as well, are a client's own from the first step to the
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
    size_t n;      /* numbers of all of them */
    int n_clients; /* of this rank */
    float *own;    /* these of each client, one piece behind the other */
    float *mean;   /* likewise */
} local;

/* local_check - does a model have any?  false with err (user).  Not collective. */
bool local_check(const model *of, error *err);

/* local_init - memory for those of a model; false with err (environment), then it is to be released, too.  Not
 * collective. */
bool local_init(local *self, const model *of, int n_clients, error *err);
void local_release(local *self);

/* local_own - what is the k-th client's of this rank: n numbers */
float *local_own(const local *self, int k);

/* local_begin - w are everybody's weights: all clients begin with what they have.  Not collective. */
void local_begin(local *self, const float *w);

/*
 * In the order of a round; not collective:
 * local_give  - before its steps: w gets what is the k-th client's of this rank
 * local_take  - after them: what w has is that client's own
 * local_mean  - after the average: what w has is their mean
 * local_share - after all that changes weights: w has the mean once more
 */
void local_give(const local *self, int k, float *w);
void local_take(local *self, int k, const float *w);
void local_mean(local *self, const float *w);
void local_share(const local *self, float *w);

#endif
