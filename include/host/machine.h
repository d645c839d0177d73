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
 * machine_note_bits - a line on stderr where an instruction set has no fused multiply-adds: its bits are not the others'
 *   ranks  in  rows of n ranks
 *   asked  in  for that instruction set (--isa); else the line is for ranks of both kinds alone
 * machine_note_own_bits - the same of this process by itself
 */
void machine_note_bits(const record_machine *ranks, int n, bool asked);
void machine_note_own_bits(const computing *with, bool asked);

/* machine_memory - bytes of the host's memory; machine_peak_rss - largest memory of this process so far */
double machine_memory(void);
double machine_peak_rss(void);

/* machine_available_memory - bytes that can be taken without swapping; NaN when the system does not tell */
double machine_available_memory(void);

#endif
