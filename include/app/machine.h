/*
 * machine.h - what the system tells about the machine a rank runs on (Linux: /proc and /sys)
 */
#ifndef BRAMBLE_APP_MACHINE_H
#define BRAMBLE_APP_MACHINE_H

#include "base/error.h"
#include "record/record.h"

/*
 * machine_threads - how many OpenMP threads this rank should use when none are asked for: the cores it
 * is bound to, shared with the other workers of its host where they are bound to the same ones; a
 * server that shares its cores with workers uses one.  Collective.
 */
int machine_threads(void);

/*
 * machine_try_threads - can this process have so many threads?  OpenMP ends it when it cannot.
 * Returns false with err (environment): how many there can be.  Not collective.
 */
bool machine_try_threads(int n_threads, error *err);

/* machine_describe - the row of /machine for this rank.  Not collective. */
void machine_describe(int n_threads, record_machine *row);

/* machine_memory - bytes of the host's memory; machine_peak_rss - largest memory of this process so far */
double machine_memory(void);
double machine_peak_rss(void);

/* machine_available_memory - bytes that can be taken without swapping; NaN when the system does not tell */
double machine_available_memory(void);

#endif
