/*
 * worker.h - a worker: its clients, with a shard each, and what it does with them between two averages
 */
#ifndef BRAMBLE_TRAIN_WORKER_H
#define BRAMBLE_TRAIN_WORKER_H

#include "base/clock.h"
#include "course.h"
#include "data/augment.h"
#include "data/dataset.h"
#include "data/input.h"
#include "data/sampler.h"
#include "descent.h"
#include "engine/engine.h"
#include "options/options.h"

#include <stdint.h>

/* What has a shard and goes through it by itself. */
typedef struct client {
    int number;    /* 0-based, of all clients */
    dataset shard; /* a part of the worker's images */
    dataset tests; /* likewise of those that it tests with */
    sampler sampler;
    descent *by;                   /* the job's */
    uint64_t step;                 /* how many batches it has taken, over all rounds */
    size_t n_there, n_tests_there; /* of its images, while they arrive */
    double push;                   /* momentum that gradients of 1 would have by now */
} client;

enum { SHARDS_PIECE = 1024 }; /* images sent at a time, at most */

typedef struct worker {
    const course *course;
    const model *model;
    augment augment;
    input_rule input;
    dataset images, tests; /* of all its clients, one's behind the other's */
    uint8_t *parcel;       /* of them, on their way to the clients: at most SHARDS_PIECE */
    client
        *clients; /* n_clients, by their numbers; trained one after the other, with one network */
    int n_clients;
    const engine *engine; /* that suits its batch */
    network *net;
    bool gradients;     /* a step is a gradient, no more (--sync gradients) */
    bool forgets;       /* momentum begins with a round */
    client *now;        /* whose turn it is, and */
    network_vectors at; /* what it works on */
} worker;

/*
 * worker_init - take all memory it will ever need, and stand behind the rounds of former starts
 *   on     in  must outlive it, as the model
 *   by     in  a descent of each of its clients, or with --sync gradients one; must outlive it
 *   input  in  what its own input rule is made of
 *   with   in  engine and threads
 * The images have room; they are the caller's to fill in.  false with err (environment; user: a batch
 * beyond any memory).  Not collective.
 */
typedef struct worker_needs {
    const course *on;
    descent *by;
    const input_values *input;
    const model *of;
    computing with;
} worker_needs;
bool worker_init(worker *self, const train_options *options, const worker_needs *needs, error *err);
void worker_release(worker *self);

/* worker_turn - worker_train is of this client from here on, on these weights, and a gradient as long */
void worker_turn(worker *self, client *next, network_vectors at);

/* Of a client; gathered from all ranks at the end of a segment, and broadcast with the server's decision. */
typedef struct segment_note {
    double images, loss_sum, correct, steps;
    double lr; /* of the last step; 0 without one */
    double
        way; /* that the weights would have gone, were all gradients 1: sgd's, momentum counted */
    double
        t_wait_s; /* of the rank, in its first note: from the one before in the round to its decision */
    float largest; /* magnitude in the gradient of what is trained, where gradients are averaged */
    int32_t diverged;
    int32_t signal;               /* it was asked to stop */
    char layer[LAYER_NAME_BYTES]; /* where, when it has */
} segment_note;

/*
 * worker_train - the local steps of segment k of a round, 0 <= k < segments, of the client whose turn it is
 *   times  inout  charged with PHASE_TRAIN and PHASE_INPUT; left in PHASE_TRAIN
 *   mine   inout  what was done is added to it
 *   done   in     called with arg after each step
 * Ends early when transport_stop_called, or with diverged set when a loss or a weight is no longer finite or a weight
 * too large to be averaged.  Where gradients are averaged a segment is a step or none, whose gradient is left; the weights
 * stay what they are.  Not collective.
 */
typedef void worker_done(void *arg, const segment_note *mine);
void worker_train(worker *self, phases *times, uint64_t segment, segment_note *mine,
                  worker_done *done, void *arg);

/* worker_skip - a client stands where worker_train would have ended, without a step.  Not collective. */
void worker_skip(const worker *self, client *who, uint64_t segment);

#endif
