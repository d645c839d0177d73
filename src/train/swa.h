/*
 * swa.h - SWA, or Polyak averaging: the mean of a round's last averages is its model (--tail-average)
 *
 * Training goes on from the very last average; the mean has less of the noise of the steps.
 * Source: Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; Izmailov et al., arXiv:1803.05407 (stochastic weight
 * averaging).
 */
#ifndef BRAMBLE_TRAIN_SWA_H
#define BRAMBLE_TRAIN_SWA_H

#include "base/error.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct swa {
    double share;    /* of a round's averages; 0: the model is the last */
    size_t n_summed; /* averages of this round */
    const model *of;
    double *sum;
    float *mean;
} swa;

/* swa_init - memory for a model's weights, none for share 0; it must outlive them.  false with err (environment) */
bool swa_init(swa *self, double share, const model *of, error *err);
void swa_release(swa *self);

/* swa_begin - a round begins */
void swa_begin(swa *self);

/* swa_add - w is the average at the end of a segment (0-based) of n_segments */
void swa_add(swa *self, const float *w, uint64_t segment, uint64_t n_segments);

/* swa_model - the round's model; w, the last average, where nothing else was summed */
const float *swa_model(swa *self, const float *w);

#endif
