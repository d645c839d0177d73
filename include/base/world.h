/*
 * world.h - where time passes: this machine, or a simulated cluster of which this process is a host
 *
 * On a machine time passes by itself.  In a simulation it stands still while a rank computes, so that what a run takes
 * depends on nothing but the cluster that is simulated: who computes, waits or asks for the time has to say so here.
 * A simulator takes its place before main() (src/transport/mpi_simulated.c, make simgrid).
 */
#ifndef BRAMBLE_BASE_WORLD_H
#define BRAMBLE_BASE_WORLD_H

#include <stdbool.h>

/* A world; functions are asked in a rank's own thread alone. */
typedef struct world {
    const char *simulator;   /* its name and version; NULL: this is the machine */
    double (*now)(void);     /* s since any moment; never goes backwards */
    double (*cpu)(void);     /* CPU seconds of this rank so far */
    void (*nap)(double t_s); /* let t_s pass, or less; 0: only let others go first */
    void (*work)(
        double
            operations); /* takes as long as so many floating-point operations of one core; NULL: it has */
    int (*cores)(void);   /* of the rank's host; NULL: ask the system */
    bool (*speaks)(void); /* is this the first rank?  NULL: ask the launcher */
} world;

/* world_enter - from here on this is where we are; it must outlive the program */
void world_enter(const world *other);

/* world_here - where we are */
const world *world_here(void);

/* world_simulator - its name and version, or NULL on a machine */
const char *world_simulator(void);

/* world_platform - what is simulated: BRAMBLE_PLATFORM, which jobs/simulate sets; NULL on a machine
 * world_simulation - simulator and platform as results tell them, "SimGrid 3.32, pi4, ..."; "" on a machine */
const char *world_platform(void);
const char *world_simulation(void);

/* world_program - path of this program in a simulation, whose process is the simulator's: BRAMBLE_PROGRAM; else NULL */
const char *world_program(void);

/*
 * world_replays - is what workers compute left out, in a simulation, and only its time taken (BRAMBLE_REPLAY=1)?
 * Then weights stay the first ones, and neither losses nor accuracies are real.
 */
bool world_replays(void);

/* world_work - n_threads threads have shared so many operations evenly; a machine has had its time for it already */
void world_work(double operations, int n_threads);

/* world_nap - sleep t_s, or less when a signal comes; 0: only let others go first */
void world_nap(double t_s);

#endif
