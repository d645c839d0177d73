#include "base/world.h"

#include <simgrid/actor.h>
#include <simgrid/engine.h>
#include <simgrid/host.h>
#include <simgrid/version.h>
#include <smpi/smpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * SimGrid's SMPI runs all ranks in one process, each with a copy of this program's variables, one at a time until it
 * calls MPI or tells that time is to pass.
 */

static double t_worked_s; /* of this rank */

static double simulated_cpu(void)
{
    return t_worked_s;
}

/* Others come first only when time passes: a microsecond is what a look at a queue takes. */
static void simulated_nap(double t_s)
{
    sg_actor_sleep_for(t_s > 0.0 ? t_s : 1e-6);
}

static void simulated_work(double operations)
{
    double before_s = simgrid_get_clock();
    smpi_execute_flops(operations);
    t_worked_s += simgrid_get_clock() - before_s;
}

static int simulated_cores(void)
{
    return sg_host_core_count(sg_host_self());
}

static bool simulated_speaks(void)
{
    const char *rank = sg_actor_get_property_value(sg_actor_self(), "rank");
    return !rank || strcmp(rank, "0") == 0;
}

/* A rank cannot be taken out of MPI without the others, and a launcher ends these when it hears of it: so all ends here. */
static void fail(int argc, char **argv)
{
    (void)argc;
    sg_actor_sleep_for(strtod(argv[2], NULL));
    if (sg_actor_count() == 1) /* all ranks have come to their end before */
        return;
    fflush(NULL);
    fprintf(stderr,
            "bramble: %s has failed, %s s after the simulated start, and the run with it; had it "
            "a --checkpoint, --resume goes on from there\n",
            argv[1], argv[2]);
    _exit(EXIT_FAILURE);
}

/* BRAMBLE_FAIL, of jobs/simulate: a host and the moment it fails, "pi2 1.5". */
static void plan_failure(void)
{
    static char host[256], moment[64];
    static char *words[] = {"failure", host, moment, NULL};
    const char *asked = getenv("BRAMBLE_FAIL");
    if (asked && simulated_speaks() && sscanf(asked, "%255s %63s", host, moment) == 2)
        sg_actor_create(words[0], sg_host_self(), fail, 3, words);
}

static char simulator[48];
static const world simulated = {
    .simulator = simulator,
    .now = simgrid_get_clock,
    .cpu = simulated_cpu,
    .nap = simulated_nap,
    .work = simulated_work,
    .cores = simulated_cores,
    .speaks = simulated_speaks,
};

/* Before main(), in each rank's copy: the time that a run starts with is simulated, too. */
__attribute__((constructor)) static void enter(void)
{
    int major, minor, patch;
    sg_version_get(&major, &minor, &patch);
    snprintf(simulator, sizeof simulator, "SimGrid %d.%d", major, minor);
    world_enter(&simulated);
    plan_failure();
}
