/*
 * training.h - the rounds: train, average, evaluate, record
 */
#ifndef BRAMBLE_TRAIN_TRAINING_H
#define BRAMBLE_TRAIN_TRAINING_H

#include "train/job.h"

/*
 * training_run - all rounds of a prepared job
 *   summary  out  on the server: the measures of the run, which is also what /summary then holds
 * Both roles' half of a round stand in one function, so that they cannot drift apart.  T_time runs from
 * the first step of any worker to the last average; evaluation by a rank that also
 * trains (a single rank) is not in it.
 * false with err, the same on every rank: weights that are no longer finite (user), a result file that
 * cannot be written (environment); finished rounds are in the file.  Collective.
 */
bool training_run(job *self, record_summary *summary, error *err);

/* training_release - free what training_run keeps for training_rescue: when all ranks have come to its end */
void training_release(void);

/*
 * training_rescue - other ranks have died in training_run (transport_guard): save the rounds done
 *   rounds  out  on the server: how many; 0: there is nothing to go on from
 * false with err, the same on every rank (environment).  Collective.
 */
bool training_rescue(job *self, uint64_t *rounds, error *err);

#endif
