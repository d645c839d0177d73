/*
 * training.h - the rounds: train, average, evaluate, record
 */
#ifndef BRAMBLE_TRAIN_TRAINING_H
#define BRAMBLE_TRAIN_TRAINING_H

#include "account.h"
#include "flushing.h"
#include "job.h"
#include "present.h"
#include "roster.h"
#include "saving.h"
#include "show/progress.h"
#include "stall.h"
#include "swa.h"
#include "testing.h"

/* Broadcast by the server at the end of a segment; the notes of all clients, gathered before, follow it. */
typedef struct decision {
    int32_t stop;   /* enum stop: drop this round */
    int32_t signal; /* for STOP_ASKED */
    int32_t save;   /* write a checkpoint when this round is over */
    int32_t error;  /* the server has failed: transport_agree tells */
} decision;

enum stop { STOP_NOT, STOP_TARGET, STOP_ASKED };

/* The server's books. */
typedef struct books {
    account account;
    record_round round;           /* the row of the round that is going on */
    record_rank *rows;            /* of all ranks in it */
    double *accuracies;           /* of all clients: room to sort them */
    record_client_round *clients; /* of all clients in it, where they have rows */
    flushing flushing;
    swa tail;
    testing testing;
    double t_zero_s;   /* t_ready_s, earlier by the time of former starts */
    double t_inline_s; /* tests by a rank that also trains: not in T_time */
    double cpu_zero_s;
    bool reached;      /* the target accuracy is: stop */
    double t_target_s; /* then; NaN before */
    bool stop_called;
    progress progress;
    progress_state shown;
    double t_shown_s; /* clock_now() then */
    error error;      /* the server's own: said at the next decision */
} books;

typedef struct training {
    job *job;
    phases phases;
    saving saving;
    stall stall;
    present present;       /* the round that is going on */
    roster roster;         /* who takes part in it */
    segment_note *mine;    /* of this rank's clients, by slot */
    decision *decision;    /* followed by: */
    segment_note *notes;   /* of all ranks' (roster_at) */
    double *weights;       /* in an average, of the places of the roster */
    double *of_ranks;      /* the same of all ranks, of their clients together */
    round_note *ends;      /* of all ranks in a round (server) */
    double segment_images; /* of this rank's clients that are through with the segment */
    double t_wait_s;       /* mine in the exchange before */
    double t_ready_s;      /* clock_now() when all were ready */
    double t_average_s;    /* the same at the end of the last average */
    double t_segment_s;    /* from there until all notes were there, the last time */
    int signal;            /* stop, this rank was asked, or (server) anybody; 0: nobody */
    books books;           /* on the server */

    /* what has come of it */
    int stopped_by;       /* the run was asked to stop by, or 0 */
    uint64_t rounds_done; /* then: in the result file, and in the checkpoint if there is one */
} training;

/*
 * training_run - all rounds of a prepared job
 *   self     out  also what comes of it when the run was asked to stop
 *   of       in   must outlive it
 *   summary  out  on the server: the measures of the run, which is also what /summary then holds
 * T_time runs from the first step of any worker to the last average; evaluation by a rank that also
 * trains (a single rank) is not in it.
 * false with err, the same on every rank: weights that are no longer finite (user), a result file that
 * cannot be written (environment); finished rounds are in the file.  Collective.
 */
bool training_run(training *self, job *of, record_summary *summary, error *err);

/* training_release - when all ranks have come to its end; legal on zeros */
void training_release(training *self);

/*
 * training_rescue - other ranks have died in training_run (transport_guard): save the rounds done
 * Returns how many, on every rank; 0: there are none, or they are saved and some rank has missed it, for once more
 * has died; or 0 with this rank's err (environment).  Collective; transport_agree is still to come.
 */
uint64_t training_rescue(training *self, error *err);

#endif
