/*
 * aggregate.h - what takes the place of the mean where a worker may send anything: robust aggregates
 *
 * The server collects all workers' vectors, makes one of them and broadcasts it.  A rule is a pure function on the
 * vectors; the numbers of workers do not count, nor, but for multikrum, how many images each has seen.
 *
 * To add one: an `aggregate_rule` in a file src/transport/aggregate_NAME.c, one line in src/transport/aggregate.c.
 */
#ifndef BRAMBLE_TRANSPORT_AGGREGATE_H
#define BRAMBLE_TRANSPORT_AGGREGATE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { AGGREGATE_BLOCK = 256 }; /* numbers of a row that a rule works on at a time */

/* What a rule works on: vectors of those that have a share. */
typedef struct aggregate_rows {
    const float *const *rows; /* [n_rows][n], finite */
    const double *shares;     /* of each, adding up to 1 */
    int n_rows;
    size_t n;
    size_t
        n_judged; /* the first of them, by which a rule may judge a row: trained weights, not statistics */
    int n_bad;    /* rows that may be anything */
    double *work; /* n_rows * (n_rows + AGGREGATE_BLOCK) numbers */
} aggregate_rows;

typedef struct aggregate_rule {
    const char *name; /* "median" */
    bool counts;      /* it is told how many workers may send anything, name:F, F >= 1 */
    int least, more;  /* it needs least + more * F workers */
    /* combine - out, n floats, is none of the rows.  NULL: the mean, which is an average_rule's. */
    void (*combine)(const aggregate_rows *of, float *out);
} aggregate_rule;

/* aggregate_rules - all of them, NULL-terminated; the first is the mean */
extern const aggregate_rule *const aggregate_rules[];

/* A rule as it was asked for. */
typedef struct aggregate_choice {
    const aggregate_rule *rule;
    int n_bad; /* 0 where the rule does not count */
} aggregate_choice;

/* aggregate_parse - "median", "krum:1"; false with err (user).  Not collective. */
bool aggregate_parse(const char *text, aggregate_choice *choice, error *err);

/* aggregate_least - workers that it needs */
int aggregate_least(const aggregate_choice *choice);

/* A rule at work on n weights of as many ranks as there are. */
typedef struct aggregate {
    aggregate_choice choice;
    size_t n, n_rows;
    float *rows; /* on the server: of each that has a part, and one for the result */
    const float **with_share;
    double *shares, *work;
} aggregate;

/*
 * aggregate_init - memory for the rule, on the server [n_rows + 1][n] floats; the mean takes none
 *   n_rows  in  vectors at most: as many as ranks, or more, where ranks may have several
 * false with err (environment; user: more than 2^28 weights); then it is to be released, too.  Not collective.
 */
bool aggregate_init(aggregate *self, const aggregate_choice *choice, size_t n, size_t n_rows,
                    error *err);
void aggregate_release(aggregate *self);

/*
 * transport_aggregate - replace w on every rank by what the rule makes of the workers'
 *   w         inout  n finite floats; ignored where the weight is 0
 *   weights   in     `size` weights >= 0 (images seen), the same on every rank: aggregate_least of them are positive,
 *                    or at most one, whose w is copied then
 *   n_judged  in     as above
 * Collective: same rule, n, n_judged and weights on all ranks.  Returns the seconds of it that were spent in MPI.
 */
double transport_aggregate(aggregate *self, float *w, const double *weights, size_t n_judged);

/*
 * The same of vectors of which a rank may have several:
 * transport_aggregate_collect - one of them to the server
 *   i    in  its number, below n_rows
 *   row  in  n finite floats; NULL: it is another rank's
 * transport_aggregate_collected - w on every rank becomes what the rule makes of them
 *   weights  in  n_rows: positive where a vector was collected; aggregate_least are, and more than one
 * The first is collective for that rank and the server alone, the second for all.
 */
void transport_aggregate_collect(aggregate *self, size_t i, const float *row, int rank);
double transport_aggregate_collected(aggregate *self, float *w, const double *weights,
                                     size_t n_judged);

#endif
