/*
 * progress.h - how far a run is: one live line on a terminal, else one line a round
 */
#ifndef BRAMBLE_SHOW_PROGRESS_H
#define BRAMBLE_SHOW_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct progress {
    FILE *to;
    bool quiet, live; /* live: on a terminal */
    uint64_t n_rounds;
    int terminal;    /* its descriptor */
    int width;       /* characters on the live line */
    double t_line_s; /* clock_now() at the last line */
} progress;

/* The state of a run, after a round or within one. */
typedef struct progress_state {
    uint64_t rounds; /* done */
    double t_s, images, loss;
    double accuracy;         /* on the test set; NaN: not known yet */
    double held_out;         /* the same on images held out of training; 0 or NaN: there are none */
    uint64_t accuracy_round; /* 1-based: whose accuracy that is */
    double t_tests_s;        /* of tests to come that everything waits for */

    /* within one: */
    double t_now_s, round_images; /* t_s and images since then */
    double share;                 /* of the round that is going on, 0 to 1 */
    double tested;                /* of the test everything waits for; NaN: there is none */
} progress_state;

/* progress_start - find out what stderr is; under mpirun it is a pipe, and mpirun's own stderr counts: a terminal
 * there is written to directly */
void progress_start(progress *self, bool quiet, uint64_t n_rounds);

/* progress_start_on - show it there instead; progress_within shows something at once */
void progress_start_on(progress *self, FILE *to, uint64_t n_rounds);

/* progress_show - a round is done */
void progress_show(progress *self, const progress_state *state);

/* progress_within - something is done in a round; no line where the last one is not 10 seconds and a twentieth of
 * the time old */
void progress_within(progress *self, const progress_state *state);

/*
 * progress_count - of `all` things `done` are, after t_s seconds: how many a second, what is left; all 0: nobody knows
 *   what  in  they are, as "pictures"
 * Not before a second is over, then on a terminal at once, else every 10 seconds.  n_rounds is not looked at.
 */
void progress_count(progress *self, const char *what, uint64_t done, uint64_t all, double t_s);

/* progress_break - end the live line, so that something else may be said below; another may follow */
void progress_break(progress *self);

/* progress_stop - leave the live line */
void progress_stop(progress *self);

#endif
