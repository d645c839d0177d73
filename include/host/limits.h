/*
 * limits.h - what a shell or a batch system left the process: descriptors, stack, room for files
 */
#ifndef BRAMBLE_HOST_LIMITS_H
#define BRAMBLE_HOST_LIMITS_H

#include "base/error.h"

/*
 * limits_settle - see to it that a limit shows as an error, never as a crash; comes before all else
 * Closed standard descriptors are taken by what cannot be read or written; signals that would end the program
 * where a system call can tell are ignored; a small stack (ulimit -s) grows as far as it may.
 * false with err (environment): the stack is too small.  Not collective.
 */
bool limits_settle(error *err);

#endif
