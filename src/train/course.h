/*
 * course.h - how a run is cut: into rounds, segments, local steps
 *
 * A round of a worker is so many local steps; it is cut into segments, each of which ends with an average.  An
 * epoch is once over a worker's shard.  The same on all ranks; plain numbers.
 */
#ifndef BRAMBLE_TRAIN_COURSE_H
#define BRAMBLE_TRAIN_COURSE_H

#include "base/error.h"
#include "options/options.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct course {
    int n_workers;
    uint64_t *images; /* of each worker's shard */
    uint64_t n_train; /* of all shards together */
    uint64_t batch;
    uint64_t rounds, rounds_before;     /* in all; of these done by former starts */
    uint64_t local_epochs, local_steps; /* in a round of a worker: one of them is 0 */
    uint64_t segments;                  /* averages in a round, the same for all workers */
    uint64_t
        takes; /* of these, how many give weights to what looks at averages: all, unless they are of gradients */
    uint64_t eval_every; /* rounds from one evaluation to the next */
    uint64_t seed;       /* of who takes part */
    int participants;    /* workers in a round */
} course;

/* course_init - memory for the shards' sizes, all 0; false with err (environment) */
bool course_init(course *self, int n_workers, error *err);
void course_release(course *self);

/* course_cut - all the rest, when the shards' sizes are there */
void course_cut(course *self, const train_options *options, uint64_t rounds_before);

/* course_epoch - local steps of an epoch of a worker (0-based); the last batch may be a smaller one */
uint64_t course_epoch(const course *self, int worker);

/* course_longest - the worker whose epoch has the most steps, the first of such */
int course_longest(const course *self);

/* course_smallest - images of the smallest batch of a worker (0-based): the last of its epoch */
uint64_t course_smallest(const course *self, int worker);

/* course_steps - local steps of a worker in one round */
uint64_t course_steps(const course *self, int worker);

/* course_steps_before - of these, those before segment k, 0 <= k <= segments: as even as whole steps allow */
uint64_t course_steps_before(const course *self, int worker, uint64_t k);

/* course_take - does segment k, 0 <= k < segments, end with such a one?  Its number, 0 <= *take < takes, then. */
bool course_take(const course *self, uint64_t k, uint64_t *take);

/* course_takes_part - does a worker train in a round?  `participants` do, drawn anew for each. */
bool course_takes_part(const course *self, int worker, uint64_t round);

/* course_images - that those who take part see in a round, about */
double course_images(const course *self);

#endif
