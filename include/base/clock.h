/*
 * clock.h - wall time, and the phases to which every second of a rank is charged
 */
#ifndef BRAMBLE_BASE_CLOCK_H
#define BRAMBLE_BASE_CLOCK_H

#include <stdint.h>

/* clock_now - seconds since an arbitrary moment; never goes backwards (CLOCK_MONOTONIC, or simulated: base/world.h) */
double clock_now(void);

/* clock_cpu - CPU seconds this process has used so far, user and system, all threads (or what a simulated rank has) */
double clock_cpu(void);

/* clock_date - the present in UTC as ISO 8601, "2026-01-31T12:34:56Z"; never simulated */
void clock_date(char text[32]);

/* clock_date_s - the same as seconds since 1970; clocks may be set back */
double clock_date_s(void);

/* At every moment a rank is in exactly one phase. */
enum phase {
    PHASE_OTHER = 0, /* start-up, bookkeeping, whatever is not named below */
    PHASE_TRAIN,     /* forward, loss, backward, update */
    PHASE_INPUT,     /* reading or receiving data, bytes to floats */
    PHASE_WAIT,      /* for the slowest worker */
    PHASE_SERVE,     /* the server decides and broadcasts; on a worker: waiting for that */
    PHASE_PACK,      /* averaging: to and from fixed point, sums, copies */
    PHASE_WIRE,      /* averaging: in MPI */
    PHASE_EVALUATE,  /* accuracy and loss on the test set */
    PHASE_OUTPUT,    /* results and progress */
    PHASE_COUNT
};

/* phase_name - "other", "train", ...: the stem of column names */
const char *phase_name(enum phase phase);

/* A stopwatch with one hand per phase; the hands add up to the time since phase_start. */
typedef struct phases {
    double t_s[PHASE_COUNT];
    enum phase now;
    double since_s;
} phases;

/* phases_start - zero all hands; time runs in the given phase from here on */
void phases_start(phases *self, enum phase phase);

/* phases_enter - charge the time since the last call, go on in another phase; returns the one left */
enum phase phases_enter(phases *self, enum phase phase);

/* phases_move - charge seconds already charged to one phase to another instead */
void phases_move(phases *self, enum phase from, enum phase to, double t_s);

/* phases_take - charge what is pending, copy the hands to t_s and set them to zero; phase unchanged */
void phases_take(phases *self, double t_s[PHASE_COUNT]);

#endif
