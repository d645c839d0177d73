/*
 * machine.h - what the system tells about the machine a rank runs on (Linux: /proc and /sys)
 */
#ifndef BRAMBLE_HOST_MACHINE_H
#define BRAMBLE_HOST_MACHINE_H

#include "engine/engine.h"
#include "record/record.h"

/* machine_describe - the row of /machine for this rank.  Not collective. */
void machine_describe(const computing *with, record_machine *row);

/* machine_memory - bytes of the host's memory; machine_peak_rss - largest memory of this process so far */
double machine_memory(void);
double machine_peak_rss(void);

/* machine_available_memory - bytes that can be taken without swapping; NaN when the system does not tell */
double machine_available_memory(void);

#endif
