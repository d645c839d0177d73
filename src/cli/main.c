#include "commands.h"
#include "host/build.h"
#include "host/files.h"
#include "host/limits.h"
#include "host/sensors.h"
#include "host/unbind.h"
#include "kernels/simd.h"
#include "launch.h"
#include "options/option.h"
#include "show/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool by_all;   /* ranks of a job together; of the others one process does the work */
    bool computes; /* with threads, or tells about them */
} commands[] = {
    {"train", command_train, true, true},      {"test", command_test, false, true},
    {"predict", command_predict, false, true}, {"report", command_report, false, false},
    {"plan", command_plan, false, false},      {"watch", command_watch, false, false},
    {"info", command_info, false, true},       {"data", command_data, false, false},
    {"export", command_export, false, false},  {"import", command_import, false, false},
    {"doctor", command_doctor, true, true},
};

static bool print_overview(error *err)
{
    printf("Usage: bramble COMMAND [OPTION...] [ARGUMENT...]\n"
           "Train convolutional networks on a cluster of small computers, and time it.\n\n");
    for (const option_command *command = option_commands; command->name; command++)
        printf("  %-9s%s\n", command->name, command->summary);
    printf("\n  bramble COMMAND --help    options of a command; bramble help COMMAND, too\n"
           "  bramble --version         version of the program\n\n"
           "Examples:\n"
           "  bramble train --preset fast\n"
           "  mpirun -n 4 bramble train --data data --preset paper --out paper-3.h5\n\n"
           "Exit status: 0 success, 1 failure of the system or a problem the doctor found,\n"
           "2 mistake in options or files, 3 stopped by a signal.\n"
           "More in the manual: man bramble\n");
    return output_finish(err);
}

static bool print_version(error *err)
{
    printf("bramble %s\n", build_version());
    return output_finish(err);
}

static bool refuse_command(const char *name, error *err)
{
    const char *nearest = option_command_nearest(name);
    if (nearest)
        return error_user(err, "%.60s: unknown command; did you mean %s?", name, nearest);
    return error_user(err, "%.60s: unknown command; bramble --help lists all", name);
}

/* Whatever is no subcommand; argc >= 2. */
static bool answer(int argc, char **argv, error *err)
{
    const char *name = argv[1];
    bool is_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (argc > (is_help ? 3 : 2) && (is_help || strcmp(name, "--version") == 0))
        return error_user(err, "%s: unexpected argument \"%.60s\"", name, argv[argc - 1]);
    if (strcmp(name, "--version") == 0)
        return !launch_speaks() || print_version(err);
    if (!is_help)
        return refuse_command(name, err);
    if (argc == 2)
        return !launch_speaks() || print_overview(err);
    const option_command *command = option_command_find(argv[2]);
    if (!command)
        return refuse_command(argv[2], err);
    return !launch_speaks() || option_print_help(command, stdout, err);
}

/* A launcher ends all processes when one fails: leave that to the one that says why. */
static int fail(const error *err)
{
    if (!launch_speaks())
        return 0;
    error_print(err);
    return (int)err->kind;
}

static int run_command(int argc, char **argv)
{
    error err = {0};
    const char *root = getenv("BRAMBLE_SENSORS");
    if (root)
        sensors_root = root;
    if (!limits_settle(&err)) {
        error_print(&err); /* of this process alone: its host may be another */
        return (int)err.kind;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (!commands[i].by_all && !launch_speaks())
            return 0;
        if (commands[i].computes && !unbind_anew(argv, &err)) {
            error_print(&err);
            return (int)err.kind;
        }
        if (!commands[i].by_all && *unbind_left_out())
            fprintf(stderr, UNBIND_LEFT_OUT, unbind_left_out());
        return commands[i].run(argc - 1, argv + 1);
    }
    if (argc < 2)
        error_user(&err, "expected a command; bramble --help lists all");
    else
        answer(argc, argv, &err);
    return err.kind == ERROR_NONE ? 0 : fail(&err);
}

/* Every other function may be compiled to the very instructions that this one asks for. */
int main(int argc, char **argv)
{
    const char *missing = simd_missing();
    if (!missing) {
        files_tell_fetch();
        return run_command(argc, argv);
    }
    fprintf(stderr,
            "bramble: this processor has no %s, and the program is built for it: build it from its "
            "source on this machine (make)\n",
            missing);
    return ERROR_ENVIRONMENT;
}
