/*
 * merge.h - the workers' weights become those that everyone goes on from: the average, then the outer rule
 *
 * Where gradients are averaged before every step all have the same weights; the outer rule comes at times.
 */
#ifndef BRAMBLE_TRAIN_MERGE_H
#define BRAMBLE_TRAIN_MERGE_H

#include "model/model.h"
#include "model/outer.h"
#include "transport/average.h"

typedef struct merge {
    const model *of;
    average
        average; /* of all weights, with moments in the place of statistics (model_to_moments) */
    outer outer; /* of the trained ones: statistics are none */
    /* what everyone went on from the last time, as it is averaged; NULL where neither rule asks for it */
    float *before;
} merge;

/*
 * merge_init - memory for both rules
 *   settings  in  of the outer rule; NULL where it has none
 *   of        in  the model, which must outlive it: all its weights are averaged, the outer rule has the trained ones
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool merge_init(merge *self, const average_rule *rule, const outer_rule *then,
                const outer_settings *settings, const model *of, error *err);
void merge_release(merge *self);

/* merge_begin - these are the weights everyone begins with, or goes on from when resumed.  Not collective. */
void merge_begin(merge *self, const float *w);

/*
 * merge_weights - replace w on every rank by what everyone goes on from
 *   weights  in  of the ranks, as transport_average wants them
 *   round    in  how many averages have been before, over all rounds
 * Returns the seconds of it that were spent in MPI.  Collective.
 */
double merge_weights(merge *self, float *w, const double *weights, uint64_t round);

/* merge_outer - the second half of it, where all have the same w.  Not collective. */
void merge_outer(merge *self, float *w, uint64_t round);

/*
 * merge_gradients - replace g on every rank by the mean
 *   n_trained  in  numbers of g that are gradients; behind them stand statistics
 *   largest    in  magnitude among the gradients of all ranks that count; the same on every rank
 * For the fixed-point numbers of the average (transport/fixed.h) gradients are multiplied by the power of two that
 * brings the largest between 2^18 and 2^19: what is at least 2^-34 of it keeps all 24 bits, so the mean is rounded as a
 * float's.
 * Returns and needs what merge_weights does.  Collective.
 */
double merge_gradients(merge *self, float *g, size_t n_trained, float largest,
                       const double *weights);

#endif
