/*
 * cases.h - runs of the same case N:C, averaged
 */
#ifndef BRAMBLE_APP_CASES_H
#define BRAMBLE_APP_CASES_H

#include "app/option.h"
#include "base/error.h"
#include "record/record.h"

#include <stddef.h>

/* One case: means over its runs, and their sample standard deviation where there are two or more. */
typedef struct run_case {
    record_summary mean; /* repeats: how many runs; speedup: against the base case */
    double t_time_std_s, accuracy_std; /* NaN for a single run */
} run_case;

/*
 * cases_add - put a run into its case (a new one when it is the first)
 * cases_finish - divide the sums, sort by nodes then cores, compute speedups: T(base) / T(case)
 *   base  in  0:0: the case with the fewest cores, then the fewest nodes
 * cases_finish returns false with err (user) when no run is of the base case.  Not collective.
 */
typedef struct cases {
    run_case *all; /* room for as many as there are runs */
    size_t n;
} cases;
void cases_add(cases *self, const record_summary *run);
bool cases_finish(cases *self, option_case base, error *err);

#endif
