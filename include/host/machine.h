/*
 * machine.h - what the system tells about the machine a rank runs on (Linux: /proc and /sys)
 */
#ifndef BRAMBLE_HOST_MACHINE_H
#define BRAMBLE_HOST_MACHINE_H

#include "engine/engine.h"
#include "record/record.h"

/* machine_describe - the row of /machine for this rank.  Not collective. */
void machine_describe(const computing *with, record_machine *row);

/*
 * machine_note_bits - a line on stderr where any of n ranks' rows has an instruction set without fused multiply-adds,
 * whose bits are not those of the others
 */
void machine_note_bits(const record_machine *ranks, int n);

/* machine_note_forced - the same of this machine alone, where isa (engine_choose) asks for the set it computes with */
void machine_note_forced(int isa, const computing *with);

/* machine_memory - bytes of the host's memory; machine_peak_rss - largest memory of this process so far */
double machine_memory(void);
double machine_peak_rss(void);

/* machine_available_memory - bytes that can be taken without swapping; NaN when the system does not tell */
double machine_available_memory(void);

#endif
