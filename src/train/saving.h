/*
 * saving.h - when checkpoints are written, and what of a rank goes into them
 *
 * All that a run goes on from is the state at the end of a round (saved.h).  Each rank keeps a copy of its part, so
 * that a round that is cut short can be dropped.
 */
#ifndef BRAMBLE_TRAIN_SAVING_H
#define BRAMBLE_TRAIN_SAVING_H

#include "base/background.h"
#include "job.h"
#include "saved.h"

/* The copies of a vector; NULL what this rank has none of. */
typedef struct kept {
    saved_vector of;
    /* at the end of the last round: on the server; of a vector per client on workers, of each of its clients */
    float *last;
    /* of a vector per client, where a rank may die and the others go on: of the round before that */
    float *before;
    /* the server's, of a vector per client: of all clients, one behind the other */
    float *all;
} kept;

typedef struct saving {
    const job *of;
    uint64_t every_rounds; /* 0: by time */
    double every_s;
    double t_saved_s; /* clock_now() of the last */
    kept kept[SAVED_MAX];
    size_t n_kept;
    uint64_t rounds; /* done in the state kept; 0: none is */
    /* the same of vectors per client; a death may come before the server knows of the last */
    uint64_t own_rounds;
    int64_t n_workers;   /* then */
    int *numbers;        /* of this rank's clients: a count, and each one's */
    bool *there;         /* of all clients: has the server their vectors? */
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
 *   of  in  must outlive it
 * false with err (environment) on this rank.  Not collective.
 */
bool saving_init(saving *self, const job *of, error *err);

/* saving_release - when what is under way is written; legal on zeros */
void saving_release(saving *self);

/* saving_due - the server: is a checkpoint to be written after round (0-based)?  Not while the one before is
 * under way, but for the last round.  Not collective. */
bool saving_due(saving *self, uint64_t round);

/*
 * saving_keep_own - a round is over for this worker: copy what each client has of its own, before the server knows that
 *                   the round is over: what it keeps, all workers have kept, too
 * saving_keep - it is over: copy what all hold (on the server).  A checkpoint is of such a moment.
 *   rounds       in  done
 *   model_round  in  of the model in evaluation.w, on the server; -1: none
 * On every rank; not collective.
 */
void saving_keep_own(saving *self, uint64_t rounds);
void saving_keep(saving *self, uint64_t rounds, int64_t model_round);

/*
 * saving_begin - write what was kept, while training goes on; when it cannot be written a warning says so, now
 *                or later: the run may come to its end without.  Collective where clients have vectors of their own.
 * saving_finish - wait until it is written.  Not collective.
 */
void saving_begin(saving *self);
void saving_finish(saving *self);

/*
 * saving_write - write what was kept; nothing where that is nothing
 *   signal  in  that stops the run
 * Returns false with err (environment) on the server when it cannot be written.  Collective where clients have vectors
 * of their own.
 */
bool saving_write(saving *self, int signal, error *err);

/*
 * saving_rescue - the same on the ranks that are left when others have died, whose clients' vectors are replaced by
 * the mean of those left
 * There is something kept.  When the server alone is left, such vectors are lost and nothing is written.  Collective.
 */
bool saving_rescue(saving *self, error *err);

#endif
