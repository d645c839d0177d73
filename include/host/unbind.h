/*
 * unbind.h - threads that OpenMP's variables would bind to cores, and the program without them
 */
#ifndef BRAMBLE_HOST_UNBIND_H
#define BRAMBLE_HOST_UNBIND_H

#include "base/error.h"

#include <stdbool.h>

/*
 * unbind_anew - start this program anew where OpenMP binds its threads, without the variables that make it
 * It binds the first thread before main(): every process of a host to the same core, whatever mpirun has
 * given it, and no other thread of ours could leave that core.  Must come before MPI starts.
 *   argv  in  of main
 * Returns true where there is nothing to do, else not at all, or false with err (environment).
 */
bool unbind_anew(char **argv, error *err);

/* unbind_left_out - names of the variables this program was started anew without: "OMP_PLACES"; "" for none */
const char *unbind_left_out(void);

/* The line on stderr about unbind_left_out(), for a process that is no rank. */
#define UNBIND_LEFT_OUT                                                                            \
    "bramble: warning: %s is set and left out: OpenMP would bind threads to cores of its own choice\n"

#endif
