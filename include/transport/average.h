/*
 * average.h - the weighted mean of the workers' weights, by one of several rules
 *
 * The exact rules add 64-bit fixed-point numbers, w[i] * share * 2^40 rounded to nearest, so that the sum is
 * exact in any order and all of them give the same bits.
 */
#ifndef BRAMBLE_TRANSPORT_AVERAGE_H
#define BRAMBLE_TRANSPORT_AVERAGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one average asks of the busiest link and rank. */
typedef struct average_cost {
    double messages; /* one after the other on that link */
    double bytes;    /* on that link */
    double adds;     /* numbers that rank turns to or from fixed point, and adds */
} average_cost;

/* A call of a rule: a piece of the weights, and what goes with it. */
typedef struct average_piece {
    float *w;            /* inout: this rank's, then the mean */
    const float *before; /* what all ranks had after the average before, or NULL: uses_before */
    float *residual;     /* inout: this rank's, or NULL: has_residual */
    size_t first;        /* number of the first of them among all weights */
    size_t n;            /* length of these three, at most 2^26: longer vectors come in pieces */
    /* `size` of them, the same on all ranks, adding up to 1; where it is 0 the rank's w may be anything, NaN too,
     * and is not read */
    const double *shares;
    void *scratch; /* scratch_bytes(n, rank, size), or NULL */
    void *state;   /* init's, or NULL */
    /* inout: NULL, or, of a rule that sums, what the rank has to add in the place of its w and share: n numbers of
     * fixed.h; anything afterwards */
    int64_t *sum;
} average_piece;

/* An averaging rule moves the numbers. */
typedef struct average_rule {
    const char *name; /* "gather" */
    bool
        sums; /* what travels to be added up are fixed-point numbers: a rank may add up several vectors first */
    bool exact;  /* the result is the mean, with the bits of the other exact rules; else near it */
    bool groups; /* its workers are in groups: transport_group comes first */
    /* it needs the weights all ranks went on from, to send differences for instance */
    bool uses_before;
    /* it keeps n floats on each rank, 0 at first: what it has not sent yet (error feedback).  Whatever changes from
     * average to average belongs here: it is in checkpoints */
    bool has_residual;
    /* average - replace w on every rank by the sum over the ranks of shares[rank] * w; the same bits on all ranks.
     * Collective: operations of transport.h that spin, and of src/transport/wire.h. */
    void (*average)(const average_piece *piece);
    /* scratch_bytes - memory this rank needs during a call for n floats; NULL: none.  Not collective. */
    size_t (*scratch_bytes)(size_t n, int rank, int size);
    /* init, release - state of its own for n weights, such as who is in a group with whom; NULL: it has none.  It is
     * in no checkpoint: what changes from average to average is lost with --resume, unless it is the residual.
     * Init returns NULL with err when it cannot be had.  Not collective. */
    void *(*init)(size_t n, int rank, int size, error *err);
    void (*release)(void *state);
    /* bytes - payload a rank sends in one average of n floats, for the record; a broadcast counts
     * once for each receiver, whatever tree it takes; the server's share is taken as 0; group: as below */
    size_t (*bytes)(size_t n, int rank, int size, int group);
    /* cost - of one average of n weights with two or more workers, for bramble plan */
    average_cost (*cost)(size_t n, int workers, int group);
} average_rule;

/* average_rules - all of them, NULL-terminated; average_rule_find - by name, or NULL */
extern const average_rule *const average_rules[];
const average_rule *average_rule_find(const char *name);

/* average_rule_cost - the rule's cost; one worker alone only sends its weights to the server; group: as below */
average_cost average_rule_cost(const average_rule *rule, size_t n, int workers, int group);

/*
 * average_group - how many workers a group has, for a rule that has groups: consecutive ones, the last group the rest
 *   asked     in  so many, but not more than there are; 0: as said here
 *   together  in  workers, from the first on, that share a host: a group, where they are several and not all
 * Else about the square root of the workers.
 */
int average_group(uint64_t asked, int workers, int together);

/* Largest magnitude a weight may have when it is averaged; beyond it a run has diverged. */
#define AVERAGE_LIMIT 1048576.0F

/* A rule at work: memory for n weights on as many ranks as there are. */
typedef struct average {
    const average_rule *rule;
    size_t n;
    double *shares;
    void *scratch, *state;
    float *residual; /* n, or NULL */
    int64_t *sum;    /* n, of vectors added, where ranks may have several; else NULL */
} average;

/*
 * average_init - memory for the rule, what this rank needs of it
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool average_init(average *self, const average_rule *rule, size_t n, error *err);
void average_release(average *self);

/*
 * transport_average - replace w on every rank by the weighted mean over the workers
 *   w        inout  n finite floats below AVERAGE_LIMIT in magnitude; ignored where the weight is 0
 *   before   in     n floats, the same on all ranks: what they went on from; NULL unless the rule uses_before
 *   weights  in     `size` weights >= 0 (images seen), the same on every rank
 * With one positive weight that rank's w is copied unchanged, with none the server's, which is the mean
 * before.  Collective: same rule, n and weights on all ranks.  Same bits for every exact rule and any number of
 * threads.
 * Returns the seconds of it that were spent in MPI.
 * Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data",
 * arXiv:1602.05629 (weighted mean of the clients' models).
 */
double transport_average(average *self, float *w, const float *before, const double *weights);

/*
 * A mean of more vectors than ranks, with the bits that as many ranks would come to:
 * average_several - memory for it; the rule sums.  false with err (environment)
 * average_add - one more vector of this rank's, finite floats below AVERAGE_LIMIT; shares of all that are added, on all
 *               ranks, make 1
 * transport_average_added - w on every rank becomes the sum of what was added; nothing is, then.  Returns what
 *                           transport_average does.  Collective; the first two are not.
 */
bool average_several(average *self, error *err);
void average_add(average *self, const float *x, double share);
double transport_average_added(average *self, float *w);

#endif
