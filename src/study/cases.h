/*
 * cases.h - runs of the same case, averaged; what makes a case is asked for: N:C, or values of options
 */
#ifndef BRAMBLE_STUDY_CASES_H
#define BRAMBLE_STUDY_CASES_H

#include "base/error.h"
#include "options/option.h"
#include "record/record.h"

#include <stddef.h>

/* What tells cases apart: options of `bramble train`, of which `case` stands for N:C. */
typedef struct case_keys {
    size_t n;
    const option_entry *all[OPTION_MAX];
} case_keys;

/* case_keys_set - from names with commas between them; false with err (user): unknown, twice, none */
bool case_keys_set(case_keys *self, const char *names, error *err);

/* case_keys_have - is it among them? */
bool case_keys_have(const case_keys *self, const option_entry *entry);

/* case_key_is_size - is it N:C?   case_key_title - "N:C", or the option's name */
bool case_key_is_size(const option_entry *key);
const char *case_key_title(const option_entry *key);

/* case_setting - the value of an option in a run; its default where the run's program did not know it yet */
const char *case_setting(const record_file *run, const option_entry *entry);

/*
 * One case: means over its runs, and their sample standard deviations (NaN for a single run), of the numbers
 * whose line in the summary's list (record/summary.h) says so.
 * With p = C / C of the base case and S the speedup:
 *   efficiency       S / p
 *   serial_fraction  (1/S - 1/p) / (1 - 1/p), NaN for p <= 1: what does not get faster with more cores, as
 *                    far as Amdahl's law holds (Karp and Flatt, Communications of the ACM 33(5), 1990)
 */
typedef struct run_case {
    char *values; /* of the keys, and record_simulated, as texts, each with its end */
    /* repeats: how many runs; speedup: against the base case; nodes, cores: NaN where the runs differ */
    record_summary mean, spread;
    double efficiency, serial_fraction;
} run_case;

/* case_value - the k-th key's value */
const char *case_value(const run_case *self, size_t k);

/* Runs that were measured, and those of each platform that was simulated, are never of one case, nor compared. */
typedef struct cases {
    case_keys keys;
    run_case *all; /* room for as many as there are runs */
    size_t n;
} cases;

/* case_simulated - record_simulated of its runs */
const char *case_simulated(const cases *self, const run_case *of);

/*
 * cases_init - room for so many runs; false with err (environment)
 * cases_release - also after a failure
 */
bool cases_init(cases *self, const case_keys *keys, size_t room, error *err);
void cases_release(cases *self);

/* cases_add - put a run into its case (a new one when it is the first); false with err (environment) */
bool cases_add(cases *self, const record_file *run, error *err);

/*
 * cases_finish - end the means, sort by the keys one after the other (N:C by N, then C), compare with the base case
 *   base  in  its values with commas between them; "": the case with the fewest cores, then the fewest nodes,
 *             then the first; each is compared with one of its kind, measured or simulated alike, if there is one
 * Work and overhead follow from the mean times; speedup is T(base) / T(case) of the mean times.
 * false with err (user) when no run is of the base case.  Not collective.
 */
bool cases_finish(cases *self, const char *base, error *err);

#endif
