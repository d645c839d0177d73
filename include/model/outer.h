/*
 * outer.h - outer rules: what everyone goes on from when the workers' mean is there
 *
 * Every rank applies the rule to the same numbers, with the same bits: src/model/outer_*.c is compiled without
 * fused multiply-adds, so that ranks on unlike machines agree, too.
 * Source: Reddi et al., "Adaptive federated optimization", arXiv:2003.00295 (server optimizers; the difference of
 * mean and weights before takes the place of a gradient).
 */
#ifndef BRAMBLE_MODEL_OUTER_H
#define BRAMBLE_MODEL_OUTER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTER_STATES = 4 };

/* What a rule may be told; the symbols of the paper: eta, beta1, beta2, tau. */
typedef struct outer_settings {
    double lr, momentum, beta2, tau;
    double keep;       /* lookahead: of the weights before, at the last average */
    uint64_t averages; /* of all rounds */
} outer_settings;

/* A vector that a rule keeps from average to average, a number for each trained weight. */
typedef struct outer_state {
    const char *name;                                 /* "server_momentum" */
    float (*initial)(const outer_settings *settings); /* NULL: 0 */
} outer_state;

typedef struct outer_rule {
    const char *name;
    outer_state states[OUTER_STATES + 1]; /* up to the first without a name */
    double lr;                            /* where the user gives none */
    /*
     * apply - a pure function
     *   w       inout  the mean; then what everyone goes on from
     *   before  in     what everyone went on from the last time
     *   states  inout  n floats each, in the order above
     *   round   in     how many averages have been before, over all rounds: one more each time, but it may jump, up or
     *                  down, where a run goes on with another number of workers
     * NULL: everyone goes on from the mean.  Not collective.
     */
    void (*apply)(const outer_settings *settings, float *restrict w, const float *restrict before,
                  float *const *states, size_t n, uint64_t round);
} outer_rule;

/* outer_rules - all of them, NULL-terminated; the first, none, goes on from the mean */
extern const outer_rule *const outer_rules[];

/* outer_lookahead - w = before + (1 - keep (t / averages)^3) (mean - before) at average t = 1, 2, ...
 * Source: Zhang et al., arXiv:1907.08610, with the schedule of Jordan, arXiv:2404.00498. */
extern const outer_rule outer_lookahead;

/* A rule at work on n weights: the trained ones; what is measured, as statistics, is no optimizer's. */
typedef struct outer {
    const outer_rule *rule;
    outer_settings settings;
    size_t n;
    float *states[OUTER_STATES + 1]; /* NULL beyond the rule's */
} outer;

/*
 * outer_init - the states at their initial values; none takes no memory
 *   settings  in  NULL for a rule that has none
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool outer_init(outer *self, const outer_rule *rule, const outer_settings *settings, size_t n,
                error *err);
void outer_release(outer *self);

/* outer_apply - the rule, on w and its states; before is NULL where the rule does nothing.  Not collective. */
void outer_apply(outer *self, float *w, const float *before, uint64_t round);

#endif
