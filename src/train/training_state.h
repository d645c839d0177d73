/*
 * training_state.h - the state of the rounds, and the server's half of them (server.c)
 *
 * Private to src/train: training.c and server.c.
 */
#ifndef BRAMBLE_TRAIN_TRAINING_STATE_H
#define BRAMBLE_TRAIN_TRAINING_STATE_H

#include "account.h"
#include "flushing.h"
#include "present.h"
#include "saving.h"
#include "segment.h"
#include "show/progress.h"
#include "train/job.h"

/* What the server answers; the notes of all ranks follow it. */
typedef struct decision {
    int32_t stop;   /* enum stop: drop this round */
    int32_t signal; /* for STOP_ASKED */
    int32_t save;   /* write a checkpoint when this round is over */
    int32_t error;  /* the server has failed: transport_agree tells */
} decision;

enum stop { STOP_NOT, STOP_TARGET, STOP_ASKED };

typedef struct training {
    job *job;
    phases phases;
    progress progress;
    saving saving;
    decision *decision;  /* followed by: */
    segment_note *notes; /* of all ranks */
    double *weights;     /* of all ranks in an average */
    present present;     /* the round that is going on */
    record_rank *rows;   /* of all ranks in a round (server) */
    round_note *ends;    /* likewise */
    double t_wait_s;     /* mine in the exchange before */
    double t_ready_s;    /* clock_now() when all were ready */
    double t_average_s;  /* the same at the end of the last average */
    double t_segment_s;  /* from there until all notes were there, the last time */

    /* the server's books */
    flushing flushing;
    double t_zero_s;             /* t_ready_s, earlier by the time of former starts */
    double t_inline_s;           /* evaluation by a rank that also trains: not in T_time */
    double t_eval_s, cpu_eval_s; /* of the server, up to now */
    double cpu_zero_s;
    account account;
    record_round round; /* its row */
    double *tail;       /* sum of its last averages */
    float *tail_mean;
    size_t n_tail;
    float *kept;        /* model of the last round that is not to be tested */
    int64_t kept_round; /* -1: none */
    int64_t eval_round; /* whose model is or was evaluated last, and is in the file; -1: none */
    bool eval_noted;    /* its result has been recorded */
    bool stop, stop_called;
    int signal; /* that somebody got: stop */
    double t_target_s;
    progress_state shown;
    double t_shown_s;      /* clock_now() then */
    double t_test_s;       /* what a test takes; 0: not known */
    double t_test_begun_s; /* t_eval_s at its beginning */
    error error;           /* the server's own: said at the next decision */
} training;

/*
 * server_show - a round is done: progress on stderr and in the file
 * server_show_present - the same within a round, once a second at most
 */
void server_show(training *t);
void server_show_present(training *t);

/* server_listen - called while the server waits: has anybody been asked to stop, does anybody hang?
 * arg: a training */
void server_listen(void *arg);

/*
 * server_evaluate_some - some evaluation, while nothing else is to be done; returns whether there was any
 * server_evaluate_rest - all that is left of it
 * server_evaluate_inline - the same between the rounds, off the clock: a rank that also trains cannot
 *                          evaluate meanwhile
 */
bool server_evaluate_some(void *arg);
void server_evaluate_rest(training *t);
void server_evaluate_inline(training *t);

/*
 * server_take_model - a round (0-based) is over: write its model and begin to test it, or keep it
 * server_leave_model - the run ends before all rounds are done: write what was kept, if that is the newest.
 *                      Sets err (environment)
 */
void server_take_model(training *t, uint64_t round);
void server_leave_model(training *t, error *err);

/* server_add_to_tail - for --tail-average: an average of the round is there */
void server_add_to_tail(training *t, uint64_t segment);

/* training_go_on - begin with what former starts have done; on every rank, not collective */
void training_go_on(training *t);
#endif
