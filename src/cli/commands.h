/*
 * commands.h - the subcommands
 *
 * argv[0] is the name of the subcommand, argc and argv are otherwise main's.  Each parses its
 * options, does its work, prints its own errors and returns the exit status of the program: 0, 1
 * for a failure of the environment, 2 for a mistake of the user.
 */
#ifndef BRAMBLE_CLI_COMMANDS_H
#define BRAMBLE_CLI_COMMANDS_H

/* command_train - bramble train.  Collective: all ranks of the job run it. */
int command_train(int argc, char **argv);

/* command_doctor - bramble doctor.  Collective.  0 when no problem was found, 1 when there is one. */
int command_doctor(int argc, char **argv);

/* command_test, command_predict, command_report, command_plan, command_watch, command_info, command_data, command_export,
 * command_import - one process; not collective */
int command_test(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_report(int argc, char **argv);
int command_plan(int argc, char **argv);
int command_watch(int argc, char **argv);
int command_info(int argc, char **argv);
int command_data(int argc, char **argv);
int command_export(int argc, char **argv);
int command_import(int argc, char **argv);

#endif
