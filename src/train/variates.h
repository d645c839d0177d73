/*
 * variates.h - control variates: each worker's gradient, and everybody's, by which local steps are corrected
 *
 * A worker keeps c_i, the mean gradient of its last round; all keep c, the mean of these over all workers.  To each
 * gradient c - c_i is added, so that workers with unlike images go one way.  A round's mean gradient is the way the
 * weights have gone over the way they would have gone, were all gradients 1 (momentum and learning rates counted).
 * Source: SCAFFOLD, Karimireddy et al., arXiv:1910.06378 (option II); momentum inside the steps is an extension.
 */
#ifndef BRAMBLE_TRAIN_VARIATES_H
#define BRAMBLE_TRAIN_VARIATES_H

#include "model/model.h"
#include "transport/average.h"

typedef struct variates {
    const model *of; /* NULL: there are none */
    average average; /* of the workers' changes */
    double *shares;
    float *common;            /* c, of the trained weights */
    float *own, *shift, *way; /* c_i, c - c_i and a change, on workers; elsewhere way alone */
} variates;

/*
 * variates_init - memory for those of a model, which must outlive it; all are 0
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool variates_init(variates *self, const average_rule *rule, const model *of, error *err);
void variates_release(variates *self);

/* variates_begin - shift is that of own and common, when these have come from a checkpoint.  Not collective. */
void variates_begin(variates *self);

/* What this rank has done in a round. */
typedef struct variates_round {
    const float *before, *w; /* the weights it went on from, and its own now */
    double way;              /* of a weight, with gradients of 1 (segment_note) */
    double epoch;            /* that its last step was in */
} variates_round;

/*
 * variates_take - a round is over: own and common are what it has shown
 *   weights  in  of the ranks in the average of the weights; where it is positive the rank counts, all alike
 * Returns the seconds of it that were spent in MPI.  Collective.
 */
double variates_take(variates *self, const variates_round *mine, const double *weights);

#endif
