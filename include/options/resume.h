/*
 * resume.h - the options of a run that goes on
 */
#ifndef BRAMBLE_OPTIONS_RESUME_H
#define BRAMBLE_OPTIONS_RESUME_H

#include "options/options.h"

/*
 * options_resume - the options of a run that goes on: those of its former start, changed by what is
 * given now
 *   former  in     the pairs of its record
 *   self    inout  the options now; given tells which of them count
 * Returns false with err (user): an option the result depends on differs (both values named), or a
 * value in former will not do.  --data, --model and --rounds are the caller's to judge.
 */
bool options_resume(train_options *self, const record_pair *former, size_t n_former,
                    const char *where, error *err);

#endif
