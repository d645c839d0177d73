/*
 * variates.h - control variates: each client's gradient, and everybody's, by which local steps are corrected
 *
 * A client keeps c_i, the mean gradient of its last round; all keep c, the mean of these over all clients.  To each
 * gradient c - c_i is added, so that clients with unlike images go one way.  A round's mean gradient is the way the
 * weights have gone over the way they would have gone, were all gradients 1 (momentum and learning rates counted).
 * Source: SCAFFOLD, Karimireddy et al., arXiv:1910.06378 (option II); momentum inside the steps is an extension.
 */
#ifndef BRAMBLE_TRAIN_VARIATES_H
#define BRAMBLE_TRAIN_VARIATES_H

#include "course.h"
#include "model/model.h"
#include "transport/average.h"

typedef struct variates {
    const model *of; /* NULL: there are none */
    average average; /* of the clients' changes */
    int n_clients;   /* of the run */
    bool several;    /* a rank may have several in a round */
    double *shares;
    float *common; /* c, of the trained weights */
    float *own;    /* c_i of each of this rank's clients, by their numbers */
    float *shift;  /* c - c_i of the client whose turn it is */
    float *way;    /* a change */
} variates;

/*
 * variates_init - memory for those of a model, which must outlive it; all are 0
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool variates_init(variates *self, const average_rule *rule, const model *of, const course *on,
                   error *err);
void variates_release(variates *self);

/* variates_own - c_i of this rank's k-th client */
float *variates_own(const variates *self, int k);

/* variates_turn - shift is that of this rank's k-th client.  Not collective. */
void variates_turn(variates *self, int k);

/* What a client has done in a round. */
typedef struct variates_round {
    const float *before, *w; /* the weights it went on from, and its own now */
    double way;              /* of a weight, with gradients of 1 (segment_note) */
    double epoch;            /* that its last step was in */
} variates_round;

/*
 * A round is over: own and common are what it has shown.
 * variates_add - this rank's k-th client is one of n that count, all alike
 * variates_take - all have been added
 *   weights  in  of the ranks: positive where a client of it counts
 * Returns the seconds of it that were spent in MPI.  The second is collective, the first is not.
 */
void variates_add(variates *self, int k, const variates_round *mine, int n);
double variates_take(variates *self, const double *weights, int n);

#endif
