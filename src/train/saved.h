/*
 * saved.h - the vectors of floats that a run goes on from: what --resume must not lose
 */
#ifndef BRAMBLE_TRAIN_SAVED_H
#define BRAMBLE_TRAIN_SAVED_H

#include "job.h"
#include "record/checkpoint.h"

#define SAVED_WEIGHTS "w"
#define SAVED_MOMENTUM "v" /* with --keep-momentum */

enum { SAVED_MAX = 8 };

/* Where they are in memory; as one behind the other where there is one of each worker. */
typedef struct saved_values {
    const float *w, *v;
} saved_values;

/*
 * saved_list - the vectors of this run's checkpoints, always the same ones in the same order
 *   at  in  {0} to plan a checkpoint
 * Returns how many.  Not collective.
 */
size_t saved_list(const job *of, saved_values at, checkpoint_vector list[SAVED_MAX]);

#endif
