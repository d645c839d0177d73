/*
 * probe.h - clients test with images of their own (--eval-clients)
 *
 * After a round that is to be tested each worker tests, one client after the other, what all go on from; and before the
 * average the weights of those that have trained.  What stays a client's own (local.h) counts in both.
 */
#ifndef BRAMBLE_TRAIN_PROBE_H
#define BRAMBLE_TRAIN_PROBE_H

#include "course.h"
#include "data/input.h"
#include "local.h"
#include "train/evaluate.h"
#include "worker.h"

/* What a client has come to: shares of its images classified rightly; NaN: not tested. */
typedef struct probe_note {
    double client; /* its number; -1: there is none */
    double test_accuracy, own_accuracy;
} probe_note;

typedef struct probe {
    bool on;
    const local *local;
    input_rule input; /* nothing is changed in it */
    evaluation by;
    int n_most;       /* clients of a worker */
    probe_note *mine; /* n_most: of this rank's clients */
    probe_note *all;  /* the server's: of all ranks, one's behind the other's */
} probe;

/* probe_init - memory for it; model, input values and local must outlive it.  false with err. */
typedef struct probe_needs {
    const course *on;
    const model *of;
    const input_values *input;
    const local *local;
    computing with;
} probe_needs;
bool probe_init(probe *self, const probe_needs *needs, error *err);
void probe_release(probe *self);

/*
 * probe_begin - a round begins: nothing is tested
 * probe_own   - the k-th client of this rank has these weights
 * probe_all   - each of its clients goes on from these
 * Not collective.
 */
void probe_begin(probe *self, const worker *of);
void probe_own(probe *self, const worker *of, int k, const float *w);
void probe_all(probe *self, const worker *of, const float *w);

/* probe_gather - all notes to the server.  Collective. */
void probe_gather(probe *self);

#endif
