/*
 * report.h - runs side by side: cases, rounds or ranks as a table, CSV or JSON; or one run as a timeline
 */
#ifndef BRAMBLE_STUDY_REPORT_H
#define BRAMBLE_STUDY_REPORT_H

#include "base/error.h"
#include "options/options.h"

/*
 * report_print - what o asks for on stdout, or, with o->trace, a timeline in that file (trace_write)
 * Runs that have not come to their end have no case; that is said on stderr, as is what else tells the runs
 * of the table apart.  false with err: a file that is no result file, no run of the base case (user); memory,
 * output (environment).  Not collective.
 */
bool report_print(const report_options *o, error *err);

#endif
