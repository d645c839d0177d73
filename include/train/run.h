/*
 * run.h - a run of `bramble train`, from its options to the last round
 */
#ifndef BRAMBLE_TRAIN_RUN_H
#define BRAMBLE_TRAIN_RUN_H

#include "base/error.h"
#include "options/options.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

/* What a run is asked for, and what is known of it also when a rank has died in its middle. */
typedef struct run {
    train_options options; /* with --resume they become those of the run that goes on */
    double t_begin_s;      /* clock_now() when the program started */
    double t_start_mpi_s;  /* then: until MPI was ready */

    /* what it begins with */
    uint64_t rounds_before;         /* done when it was resumed, or when a rank had died */
    char out[OPTION_TEXT_BYTES];    /* path of the result file (server) */
    char rescue[OPTION_TEXT_BYTES]; /* file to go on from when a rank dies, or "" */
    bool rescued;                   /* one has died, and options.resume is that file */

    /* what it comes to */
    bool finished; /* it was resumed, and there is nothing left to do */
    int signal;    /* it was asked to stop by, or 0 */
    /* then: rounds in the result file, and in the checkpoint if there is one */
    uint64_t rounds_done;
    uint64_t n_test;        /* images tested with (server) */
    record_summary summary; /* where it came to its end, now or before (server) */

    struct attempt *attempt; /* run.c's own */
} run;

/*
 * run_train - prepare and train, with the ranks that are left should some die (transport_guard), and close the files
 *   self  inout  with options, t_begin_s and t_start_mpi_s; else zero
 * false with err, the same on every rank.  Collective.
 */
bool run_train(run *self, error *err);

/* run_release - free everything, also after a failure.  A result file that cannot be closed is said on stderr.  Not
 * collective. */
void run_release(run *self);

#endif
