/*
 * cases.h - runs of the same case N:C, averaged
 */
#ifndef BRAMBLE_APP_CASES_H
#define BRAMBLE_APP_CASES_H

#include "app/option.h"
#include "base/error.h"
#include "record/record.h"

#include <stddef.h>

/*
 * One case: means over its runs, and their sample standard deviations (NaN for a single run).
 * With p = C / C of the base case and S the speedup:
 *   efficiency       S / p
 *   serial_fraction  (1/S - 1/p) / (1 - 1/p), NaN for p <= 1: what does not get faster with more cores, as
 *                    far as Amdahl's law holds (Karp and Flatt, Communications of the ACM 33(5), 1990)
 */
typedef struct run_case {
    record_summary mean; /* repeats: how many runs; speedup: against the base case */
    double t_time_std_s, w_time_std_s, overhead_fraction_std, speedup_std, accuracy_std;
    double efficiency, serial_fraction;
} run_case;

typedef struct cases {
    run_case *all; /* room for as many as there are runs */
    size_t n;
} cases;

/* cases_add - put a run into its case (a new one when it is the first).  Not collective. */
void cases_add(cases *self, const record_summary *run);

/*
 * cases_finish - end the means, sort by nodes then cores, compare with the base case
 *   base  in  0:0: the case with the fewest cores, then the fewest nodes
 * Work and overhead follow from the mean times; speedup is T(base) / T(case) of the mean times.
 * false with err (user) when no run is of the base case.  Not collective.
 */
bool cases_finish(cases *self, option_case base, error *err);

#endif
