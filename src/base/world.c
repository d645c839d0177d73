#include "base/world.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double read_clock(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double machine_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static double machine_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void machine_nap(double t_s)
{
    if (t_s <= 0.0) {
        sched_yield();
        return;
    }
    const time_t whole = (time_t)t_s;
    struct timespec nap = {whole, (long)((t_s - (double)whole) * 1e9)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL); /* a signal only makes it shorter */
}

static const world machine = {.now = machine_now, .cpu = machine_cpu, .nap = machine_nap};
static const world *here = &machine;

void world_enter(const world *other)
{
    here = other;
}

const world *world_here(void)
{
    return here;
}

const char *world_simulator(void)
{
    return here->simulator;
}

const char *world_platform(void)
{
    const char *name = getenv("BRAMBLE_PLATFORM");
    return !here->simulator ? NULL : name ? name : "unknown";
}

const char *world_simulation(void)
{
    static char text[256];
    if (here->simulator)
        snprintf(text, sizeof text, "%s, %s%s", here->simulator, world_platform(),
                 world_replays() ? ", replayed" : "");
    return text;
}

const char *world_program(void)
{
    return here->simulator ? getenv("BRAMBLE_PROGRAM") : NULL;
}

bool world_replays(void)
{
    const char *asked = here->simulator ? getenv("BRAMBLE_REPLAY") : NULL;
    return asked && strcmp(asked, "1") == 0;
}

void world_work(double operations, int n_threads)
{
    if (here->work && operations > 0.0)
        here->work(operations / n_threads);
}

void world_nap(double t_s)
{
    here->nap(t_s);
}
