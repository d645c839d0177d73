/*
 * ema.h - an exponential moving average of the weights is a round's model (--ema)
 *
 * Each average counts for 1 - decay of it, what was before for decay; the first of a run is taken whole.  Training goes
 * on from the average itself.
 * Source: torch.optim.swa_utils.get_ema_avg_fn.
 */
#ifndef BRAMBLE_TRAIN_EMA_H
#define BRAMBLE_TRAIN_EMA_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ema {
    double decay; /* 0: there is none */
    size_t n;     /* weights */
    float *w;     /* the mean, or NULL */
    bool begun;
} ema;

/*
 * ema_init - memory for n weights, none for decay 0
 *   begun  in  former starts have averaged; their mean is the caller's to fill in
 * false with err (environment).
 */
bool ema_init(ema *self, double decay, size_t n, bool begun, error *err);
void ema_release(ema *self);

/* ema_add - w is an average */
void ema_add(ema *self, const float *w);

#endif
