/*
 * trace.h - the phases of a run as a timeline that Perfetto and chrome://tracing open
 */
#ifndef BRAMBLE_STUDY_TRACE_H
#define BRAMBLE_STUDY_TRACE_H

#include "base/error.h"
#include "record/record.h"

/*
 * trace_write - write the phases of every rank and round in the Chrome trace event format (JSON)
 *   path  in  must end in .json; what stands there is replaced once the new file is whole
 * A process for each host, a thread for each rank.  A round begins with the end of the one before it
 * (/rounds/t_end_s, or when the rank has finished its own phases, if that is later).  The file has the sum
 * of each phase in a round, so within a round they stand one after the other, in the order in which they
 * come first.
 * Returns false with err: another ending (user), cannot be written (environment).  Not collective.
 * Source: "Trace Event Format", the Chromium project.
 */
bool trace_write(const char *path, const record_file *file, error *err);

#endif
