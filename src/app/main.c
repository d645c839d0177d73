#include "app/build.h"
#include "app/commands.h"
#include "app/option.h"
#include "app/output.h"
#include "kernels/simd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool by_all; /* ranks of a job together; of the others one process does the work */
} commands[] = {
    {"train", command_train, true},    {"test", command_test, false},
    {"report", command_report, false}, {"plan", command_plan, false},
    {"watch", command_watch, false},   {"info", command_info, false},
    {"data", command_data, false},     {"doctor", command_doctor, true},
};

/* Under a launcher one process speaks; nobody has joined the job yet, so the environment tells. */
static bool is_first_process(void)
{
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                            "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *rank = getenv(variables[i]);
        if (rank)
            return strcmp(rank, "0") == 0;
    }
    return true;
}

static bool print_overview(error *err)
{
    printf("Usage: bramble COMMAND [OPTION...] [ARGUMENT...]\n"
           "Train convolutional networks on a cluster of small computers, and time it.\n\n");
    for (const option_command *command = option_commands; command->name; command++)
        printf("  %-8s%s\n", command->name, command->summary);
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
        return !is_first_process() || print_version(err);
    if (!is_help)
        return refuse_command(name, err);
    if (argc == 2)
        return !is_first_process() || print_overview(err);
    const option_command *command = option_command_find(argv[2]);
    if (!command)
        return refuse_command(argv[2], err);
    return !is_first_process() || option_print_help(command, stdout, err);
}

/*
 * Where stdin, stdout or stderr is closed the next file opened would get its number, and what is printed would
 * go into it.  The number is taken, by what cannot be read or written, so that whoever tries is told.
 */
static bool take_standard_numbers(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return false;
    return true;
}

static int run_command(int argc, char **argv)
{
    error err = {0};
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away must not end a run: writing tells */
    signal(SIGXFSZ, SIG_IGN); /* nor a limit for files (ulimit -f): EFBIG tells */
    for (size_t i = 0; argc >= 2 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].by_all || is_first_process() ? commands[i].run(argc - 1, argv + 1)
                                                            : 0;
    if (argc < 2)
        error_user(&err, "expected a command; bramble --help lists all");
    else
        answer(argc, argv, &err);
    /* A launcher ends all processes when one fails: leave that to the one that says why. */
    if (err.kind == ERROR_NONE || !is_first_process())
        return 0;
    error_print(&err);
    return (int)err.kind;
}

/* Every other function may be compiled to the very instructions that this one asks for. */
int main(int argc, char **argv)
{
    const char *missing = simd_missing();
    if (!take_standard_numbers())
        return ERROR_ENVIRONMENT;
    if (!missing)
        return run_command(argc, argv);
    fprintf(stderr,
            "bramble: this processor has no %s, and the program is built for it: build it from its "
            "source on this machine (make)\n",
            missing);
    return ERROR_ENVIRONMENT;
}
