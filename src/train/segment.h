/*
 * segment.h - what a worker does between two averages
 */
#ifndef BRAMBLE_TRAIN_SEGMENT_H
#define BRAMBLE_TRAIN_SEGMENT_H

#include "train/job.h"

/* What a rank says when it has finished its part of a segment. */
typedef struct segment_note {
    double images, loss_sum, correct, steps;
    double lr;       /* of the last step; 0 without one */
    double t_wait_s; /* between the note before this in the round and its decision */
    int32_t diverged;
    int32_t signal;               /* it was asked to stop */
    char layer[LAYER_NAME_BYTES]; /* where, when it has */
} segment_note;

/*
 * segment_train - a worker's local steps of segment k of a round, 0 <= k < job_segments
 *   times  inout  charged with PHASE_TRAIN and PHASE_INPUT; left in PHASE_TRAIN
 *   mine   inout  what was done is added to it
 *   done   in     called with arg after each step
 * All workers cut their rounds into equally many segments, as even as whole steps allow.  Ends early
 * when transport_stop_called, or with diverged set when a loss or a weight is no longer finite or a
 * weight too large to be averaged.  Not collective.
 */
typedef void segment_done(void *arg, const segment_note *mine);
void segment_train(job *self, phases *times, uint64_t segment, segment_note *mine,
                   segment_done *done, void *arg);

#endif
