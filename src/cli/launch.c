#include "launch.h"

#include "base/memory.h"
#include "base/world.h"
#include "host/build.h"
#include "transport/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* ---- who speaks --------------------------------------------------------------------------------- */

/* What a launcher gives every process that it starts: its rank, and the way to the others.  The second alone
 * makes it a job; shells keep ranks, and Slurm gives one to whatever it runs. */
static const struct {
    const char *rank, *way;
} launchers[] = {{"PMIX_RANK", "PMIX_NAMESPACE"}, {"PMI_RANK", "PMI_FD"}};

/* Did the parent start with this very setting?  Not where it may not be asked: that is another user's
 * process, as Slurm's is. */
static bool parent_has(const char *name)
{
    const char *value = getenv(name);
    char path[64], *setting = NULL;
    size_t room = 0, length = strlen(name);
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)getppid());
    FILE *file = value ? fopen(path, "re") : NULL;
    while (file && !found && getdelim(&setting, &room, '\0', file) > 0)
        found = strncmp(setting, name, length) == 0 && setting[length] == '=' &&
                strcmp(setting + length + 1, value) == 0;
    free(setting);
    if (file)
        fclose(file);
    return found;
}

/* Each command line of mpirun A : B has a first rank of its own. */
static bool is_first_of_line(uint64_t rank)
{
    const char *sizes = getenv("OMPI_APP_CTX_NUM_PROCS"); /* "1 2" */
    uint64_t first = 0;
    char *end;
    while (sizes && first < rank) {
        uint64_t n = strtoull(sizes, &end, 10);
        if (end == sizes)
            break;
        first += n;
        sizes = end;
    }
    return first == rank;
}

bool launch_speaks(void)
{
    if (world_here()->speaks)
        return world_here()->speaks();
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const char *text = getenv(launchers[i].rank);
        uint64_t rank;
        if (!text || !getenv(launchers[i].way))
            continue;
        if (parent_has(launchers[i].rank) && parent_has(launchers[i].way))
            return true;
        return !option_whole(text, 0, UINT32_MAX, &rank) || is_first_of_line(rank);
    }
    return true;
}

bool launch_is_mixed(void)
{
    const char *lines = getenv("OMPI_NUM_APP_CTX");
    return lines && strcmp(lines, "1") != 0;
}

/* ---- started alike -------------------------------------------------------------------------------- */

bool launch_read(const char *name, int argc, char **argv, enum parse_outcome *outcome,
                 option_line *line, error *err)
{
    const option_command *command = option_command_find(name);
    *outcome = option_read_line(command, argc, argv, false, line, err);
    if (*outcome != PARSE_DONE || launch_is_mixed())
        return true;
    if (launch_speaks() && !option_print_help(command, stdout, err))
        error_print(err);
    return false;
}

/* In this form for ever: what stands first is compared first. */
typedef struct start {
    char version[32], host[64];
    uint32_t outcome, sums[OPTION_MAX]; /* of the value given to each option; 0: none */
} start;

static void describe(const option_command *command, enum parse_outcome outcome,
                     const option_line *line, start *mine)
{
    snprintf(mine->version, sizeof mine->version, "%s", build_version());
    snprintf(mine->host, sizeof mine->host, "%s", transport_host());
    mine->outcome = (uint32_t)outcome;
    for (size_t i = 0; outcome == PARSE_RUN && command->options[i].name; i++) {
        const char *value = line->values[i];
        const char *name = command->options[i].name;
        bool is_own = strcmp(name, "threads") == 0 || strcmp(name, "isa") == 0;
        if (value && !is_own)
            mine->sums[i] = 1 + (uint32_t)crc32(0, (const Bytef *)value, (uInt)strlen(value)) / 2;
    }
}

static bool differ(const option_command *command, const start *server, const start *other, int rank,
                   error *err)
{
    if (server->outcome != other->outcome)
        return error_user(err, "--help: rank %d was started with it, and not all ranks were",
                          server->outcome == PARSE_DONE ? 0 : rank);
    for (size_t i = 0; command->options[i].name; i++)
        if (server->sums[i] != other->sums[i])
            return error_user(
                err,
                "--%s: rank %d on %.63s was started with another than rank 0; give all "
                "ranks the same options, only --threads may differ",
                command->options[i].name, rank, other->host);
    return true;
}

bool launch_compare(const option_command *command, enum parse_outcome outcome,
                    const option_line *line, bool any_version, error *err)
{
    start mine = {0};
    int size = transport_size();
    start *all = memory_new((size_t)size, sizeof *all, err);
    bool good = transport_agree(err);
    if (good) {
        describe(command, outcome, line, &mine);
        transport_allgather(&mine, sizeof mine, all);
    }
    for (int rank = 1; good && rank < size; rank++) {
        const start *other = &all[rank];
        if (strcmp(all[0].version, other->version) == 0)
            good = differ(command, &all[0], other, rank, err);
        else if (!any_version)
            good =
                error_user(err,
                           "rank %d on %.63s is bramble %.31s, rank 0 is %.31s: put one build on "
                           "all hosts",
                           rank, other->host, other->version, all[0].version);
    }
    memory_free(all);
    return good;
}
