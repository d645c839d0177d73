/*
 * plan.h - what the fitted model says of other clusters, with its uncertainty
 *
 * Uncertainty: bootstrap.  The fit is repeated for PLAN_DRAWS samples: each run is replaced by one drawn from
 * those of the same case, and its rounds by as many drawn from them; to a predicted T comes the relative error
 * of a run, drawn from those of the fit and widened by sqrt(n / (n - 2)) for n runs.  low and high are the 5 % and 95 % points: for T a
 * prediction interval of a single new run.  The draws are always the same ones.
 * It covers chance, not what the model leaves out: the further from what was measured, the more.
 * Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993.
 */
#ifndef BRAMBLE_STUDY_PLAN_H
#define BRAMBLE_STUDY_PLAN_H

#include "options/options.h"
#include "study/fit.h"

enum { PLAN_FEW = 64, PLAN_DRAWS = 400, PLAN_RULES = 8, PLAN_CHANGES = 5 };

/* From this largest error on, predictions are rough: in docs/plan.md all those that held were below. */
#define PLAN_ROUGH 0.1

typedef struct plan_value {
    double value, low, high;
} plan_value;

/* A number of workers. */
typedef struct plan_row {
    plan_value t_s, overhead, speedup; /* speedup: against one node with as many cores */
    fit_time parts;
    double t_rule_s[PLAN_RULES]; /* T with each of average_rules */
} plan_row;

/* One thing changed; saving: share of T. */
typedef struct plan_change {
    char what[48];
    double t_s;
    plan_value saving;
} plan_change;

typedef struct plan {
    size_t n_runs;
    fit_run *runs; /* n_runs; the first tells what work is planned */
    double *error; /* n_runs: T measured / T predicted - 1 */
    double worst;  /* largest error without its sign */
    size_t i_worst;
    /* the only one of the runs with two or more workers, or NULL: links were measured */
    const char *host;
    fit fit;
    fit_case now;              /* the cluster to be improved */
    double steps;              /* between two averages; 0: averages per run are fixed */
    int n_rows;                /* PLAN_FEW, or now.nodes where these are more */
    plan_row rows[PLAN_NODES]; /* for 1 to n_rows workers */
    /* workers from which on overhead exceeds work; infinite: none up to n_rows */
    plan_value overtaken;
    plan_value enough;                 /* workers from which on another one saves less than 5 % */
    size_t n_changes;                  /* without faster links where none were measured */
    plan_change changes[PLAN_CHANGES]; /* best first */
} plan;

/*
 * plan_make - read the runs, fit, predict
 *   self  out  release with plan_release, also after a failure
 * A run that has not come to its end is left out, and said to be (stderr).
 * Returns false with err: a file, runs that do not fit together, none with two or more workers, --link and
 * runs whose workers had one host (user);
 * memory (environment).  Not collective.
 */
bool plan_make(plan *self, const plan_options *o, error *err);
void plan_release(plan *self);

/* plan_read - the first part of plan_make: runs, n_runs and host, where there is room for o->n_files runs */
bool plan_read(plan *self, const plan_options *o, error *err);

#endif
