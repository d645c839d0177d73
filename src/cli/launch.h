/*
 * launch.h - how this process was started: who speaks, in what surroundings, and were all ranks started alike
 */
#ifndef BRAMBLE_CLI_LAUNCH_H
#define BRAMBLE_CLI_LAUNCH_H

#include "base/error.h"
#include "options/option.h"

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
