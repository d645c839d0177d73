/*
 * launch.h - how this process was started: who speaks, in what surroundings, and were all ranks started alike
 */
#ifndef BRAMBLE_APP_LAUNCH_H
#define BRAMBLE_APP_LAUNCH_H

#include "app/option.h"
#include "base/error.h"

#include <stdbool.h>

/*
 * launch_speaks - is it this process that does the work, and speaks, of a command that needs no job?
 * Before MPI starts the environment must tell.  False only in a process that a launcher (PMIx or PMI) has
 * started itself, beside an earlier one with the same command line: a rank variable alone is nobody's
 * launcher, and whoever runs in a script below a launcher speaks for itself.  Not collective.
 */
bool launch_speaks(void);

/* launch_is_mixed - does the job have several command lines (mpirun A : B), as far as the launcher tells? */
bool launch_is_mixed(void);

/*
 * launch_anew - start this program anew where OpenMP binds its threads, without the variables that make it
 * It binds the first thread before main(): every process of a host to the same core, whatever mpirun has
 * given it, and no other thread of ours could leave that core.  Must come before MPI starts.
 *   argv  in  of main
 * Returns true where there is nothing to do, else not at all, or false with err (environment).
 */
bool launch_anew(char **argv, error *err);

/* launch_left_out - names of the variables this program was started anew without: "OMP_PLACES"; "" for none */
const char *launch_left_out(void);

/*
 * launch_read - take the command line of ranks apart, before MPI starts; print --help where it is asked for
 *   outcome, line, err  out  as from option_read_line; a mistake is for all ranks to agree on
 * Returns false when there is nothing left to do, then err tells whether help could not be written; true
 * also with PARSE_DONE where other ranks may have other command lines.  Not collective.
 */
bool launch_read(const char *name, int argc, char **argv, enum parse_outcome *outcome,
                 option_line *line, error *err);

/*
 * launch_compare - were all ranks started with the same version and options?
 *   outcome      in  of reading this rank's command line
 *   line         in  where that is PARSE_RUN
 *   any_version  in  another version is no error, and its options are not compared
 * --threads may differ: it is each rank's own.  false with err (user), the same on every rank: who, and in
 * what.  Collective.
 */
bool launch_compare(const option_command *command, enum parse_outcome outcome,
                    const option_line *line, bool any_version, error *err);

#endif
