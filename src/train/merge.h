/*
 * merge.h - the workers' weights become those that everyone goes on from: the average, or what stands in its place,
 *           then the outer rule
 *
 * Where gradients are averaged before every step all have the same weights; the outer rule comes at times.
 */
#ifndef BRAMBLE_TRAIN_MERGE_H
#define BRAMBLE_TRAIN_MERGE_H

#include "local.h"
#include "model/model.h"
#include "model/outer.h"
#include "privacy.h"
#include "roster.h"
#include "transport/aggregate.h"
#include "transport/average.h"

typedef struct merge {
    const model *of;
    average
        average; /* of all weights, with moments in the place of statistics (model_to_moments) */
    aggregate aggregate; /* in its place, where it is not the mean; of statistics as they stand */
    outer outer;         /* of the trained ones: statistics are none */
    /* what everyone went on from the last time, as it is averaged; NULL where neither rule asks for it */
    float *before;
    local local; /* what is not averaged */
    privacy privacy;
} merge;

/*
 * merge_init - memory for the rules
 *   of  in  the model, which must outlive it: all its weights are averaged, the outer rule has the trained ones
 * false with err (environment; user: a model too large for the aggregate); then it is to be released, too.  Not
 * collective.
 */
typedef struct merge_rules {
    const average_rule *average;
    aggregate_choice aggregate;
    const outer_rule *outer;
    outer_settings settings; /* of the outer rule */
    bool keeps_before;       /* others ask for it */
    bool keeps_local;        /* batch norm stays each client's own */
    int n_clients;           /* of this rank, which may have such */
    privacy privacy;
    size_t n_rows; /* for the aggregate; 0: as many as ranks */
} merge_rules;
bool merge_init(merge *self, const merge_rules *rules, const model *of, error *err);
void merge_release(merge *self);

/* merge_begin - these are the weights everyone begins with, or goes on from when resumed: then what is a client's own is
 * there.  Not collective. */
void merge_begin(merge *self, const float *w, bool resumed);

/* Whose weights count how much; the same on every rank. */
typedef struct merge_shares {
    const double *weights; /* as transport_average wants them, of the ranks or as below */
    double stretch;        /* of the way from before to the mean; 1 or, where before is kept, any */
} merge_shares;

/*
 * merge_weights - replace w on every rank by what everyone goes on from
 *   round    in  how many averages have been before, over all rounds
 * Returns the seconds of it that were spent in MPI.  Collective.
 */
double merge_weights(merge *self, float *w, const merge_shares *by, uint64_t round);

/*
 * The same where a rank may have several clients:
 * merge_several - memory for it; what rules->average sums.  false with err (environment)
 * merge_clients - replace w on every rank
 *   rows  inout  of this rank's clients, by slot; used up
 *   by    in     weights of the places of the roster, and 0 up to rules->n_rows
 * The same bits however the clients are shared out.  Collective.
 */
typedef struct merge_rows {
    const roster *who;
    float *first;  /* slot 0's; NULL on a rank without clients */
    size_t stride; /* from one slot's to the next one's */
} merge_rows;
bool merge_several(merge *self, error *err);
double merge_clients(merge *self, float *w, const merge_rows *rows, const merge_shares *by,
                     uint64_t round);

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
