/*
 * merge.h - the workers' weights become those that everyone goes on from: the average, then the outer rule
 */
#ifndef BRAMBLE_TRAIN_MERGE_H
#define BRAMBLE_TRAIN_MERGE_H

#include "model/model.h"
#include "model/outer.h"
#include "transport/average.h"

typedef struct merge {
    average average;
    outer outer;
    /* what everyone went on from the last time; NULL where neither rule asks for it */
    float *before;
} merge;

/*
 * merge_init - memory for both rules
 *   settings  in  of the outer rule; NULL where it has none
 *   of        in  the model: all its weights are averaged, the outer rule has the trained ones
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

#endif
