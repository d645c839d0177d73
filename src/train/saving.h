/*
 * saving.h - when checkpoints are written, and what of a rank goes into them
 *
 * All that a run goes on from is the state at the end of a round.  Each rank keeps a copy of its part, so
 * that a round that is cut short can be dropped.
 */
#ifndef BRAMBLE_TRAIN_SAVING_H
#define BRAMBLE_TRAIN_SAVING_H

#include "base/background.h"
#include "job.h"

typedef struct saving {
    uint64_t every_rounds; /* 0: by time */
    double every_s;
    double t_saved_s;  /* clock_now() of the last */
    uint64_t rounds;   /* done in the state kept; 0: none is */
    int64_t n_workers; /* then */
    float *w, *v;      /* kept: the server's weights, a worker's momentum, each or NULL */
    float *
        v_before; /* that of the round before, where a rank may die and the others go on, else NULL */
    uint64_t
        v_rounds; /* done when v was kept; a death may come before the server knows of the last */
    float *all;   /* the server's: momentum of all ranks */
    int64_t model_round; /* of the model in evaluation.w; -1: none */
    double t_date_s;

    /* the server's, where there is a file */
    checkpoint *to;
    background *publisher; /* what takes the disk's time */
    uint64_t rounds_begun; /* done in the checkpoint begun last */
    error error;           /* of the publisher */
} saving;

/*
 * saving_init - memory, as --checkpoint and --checkpoint-every ask for; without them it saves nothing, but
 * keeps what a run needs that goes on when a rank has died (transport_guards)
 * false with err (environment) on this rank.  Not collective.
 */
bool saving_init(saving *self, const job *of, error *err);
void saving_release(saving *self);

/* saving_due - the server: is a checkpoint to be written after round (0-based)?  Not while the one before is
 * under way, but for the last round.  Not collective. */
bool saving_due(saving *self, const job *of, uint64_t round);

/* saving_keep_momentum - the same of a worker's momentum, before the server knows that the round is over: what it
 * keeps, all workers have kept, too.  On every rank; not collective. */
void saving_keep_momentum(saving *self, const job *of, uint64_t rounds);

/* saving_keep - a round is over: copy what a checkpoint needs.  On every rank; not collective. */
void saving_keep(saving *self, const job *of, uint64_t rounds, int64_t model_round);

/*
 * saving_begin - write what was kept, while training goes on; when it cannot be written a warning says so, now
 *                or later: the run may come to its end without.  Collective with --keep-momentum.
 * saving_finish - wait until it is written.  Not collective.
 */
void saving_begin(saving *self, job *of);
void saving_finish(saving *self);

/*
 * saving_write - write what was kept; nothing where that is nothing
 *   signal  in  that stops the run
 * Returns false with err (environment) on the server when it cannot be written.  Collective with
 * --keep-momentum.
 */
bool saving_write(saving *self, job *of, int signal, error *err);

/*
 * saving_rescue - the same on the ranks that are left when others have died, whose momentum is replaced by the
 * mean of those left
 * There is something kept.  When the server alone is left, momentum is lost and nothing is written.  Collective.
 */
bool saving_rescue(saving *self, job *of, error *err);

#endif
