/*
 * course.h - how a run is cut: into rounds, segments, local steps; and who trains what
 *
 * A round of a client is so many local steps; it is cut into segments, each of which ends with an average.  An
 * epoch is once over a client's shard.  A client is what has a shard, and a part in the average: a worker is one, or
 * trains several, one after the other (--clients).  The same on all ranks; plain numbers.
 */
#ifndef BRAMBLE_TRAIN_COURSE_H
#define BRAMBLE_TRAIN_COURSE_H

#include "base/error.h"
#include "options/options.h"

#include <stdbool.h>
#include <stdint.h>

/* What a worker trains, taken together. */
typedef struct course_load {
    int n_clients;
    uint64_t images, tests;
} course_load;

/* What a client takes of a batch, and the batch: places in the order of an epoch. */
typedef struct course_batch {
    uint64_t first, n;     /* the client's; n may be 0 where clients share */
    uint64_t begin, n_all; /* the batch */
} course_batch;

typedef struct course {
    int n_clients, n_workers;
    /*
     * All clients have all images, and share out the batches of one order (--deal all): so they take together the steps
     * of one with batches of n_clients * batch.
     */
    bool shares;
    uint64_t *images; /* of each client's shard; where they share, its part of an epoch */
    uint64_t *tests;  /* of each client's own, to test with; 0 without --eval-clients */
    int *worker;      /* that trains each client, 0-based */
    course_load *
        load; /* of each worker: a client at least, and where they are as many, that of its number */
    uint64_t n_train; /* of all shards together */
    uint64_t batch;
    uint64_t rounds, rounds_before;     /* in all; of these done by former starts */
    uint64_t local_epochs, local_steps; /* in a round of a client: one of them is 0 */
    uint64_t segments;                  /* averages in a round, the same for all clients */
    uint64_t
        takes; /* of these, how many give weights to what looks at averages: all, unless they are of gradients */
    uint64_t eval_every; /* rounds from one evaluation to the next */
    uint64_t seed;       /* of who takes part */
    int participants;    /* clients in a round */
} course;

/* course_init - memory for numbers of images, all 0; n_clients >= n_workers >= 1.  false with err (environment) */
bool course_init(course *self, int n_clients, int n_workers, error *err);
void course_release(course *self);

/* course_cut - all the rest, when shares and the shards' sizes are there */
void course_cut(course *self, const train_options *options, uint64_t rounds_before);

/* course_most - the most clients a worker trains in a round, whoever is drawn */
int course_most(const course *self);

/* course_epoch - local steps of an epoch of a client (0-based); the last batch may be a smaller one */
uint64_t course_epoch(const course *self, int client);

/* course_longest - the client whose epoch has the most steps, the first of such */
int course_longest(const course *self);

/* course_shares - would clients share out their batches?  false with err (user): asked for, where they cannot */
bool course_shares(const course *self, const train_options *options, bool *shares, error *err);

/* course_batch_at - batch number `step` of an epoch of a client (0-based) */
course_batch course_batch_at(const course *self, int client, uint64_t step);

/* course_held - images that a worker (0-based) has */
uint64_t course_held(const course *self, int worker);

/* course_smallest - images of the smallest batch of a client (0-based): the last of its epoch */
uint64_t course_smallest(const course *self, int client);

/* course_steps - local steps of a client in one round */
uint64_t course_steps(const course *self, int client);

/* course_steps_before - of these, those before segment k, 0 <= k <= segments: as even as whole steps allow */
uint64_t course_steps_before(const course *self, int client, uint64_t k);

/* course_take - does segment k, 0 <= k < segments, end with such a one?  Its number, 0 <= *take < takes, then. */
bool course_take(const course *self, uint64_t k, uint64_t *take);

/* course_tests - is the model of a round (0-based) to be tested? */
bool course_tests(const course *self, uint64_t round);

/* course_images - that those who take part see in a round, about */
double course_images(const course *self);

#endif
