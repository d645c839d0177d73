/*
 * results.h - the files a run writes: the result file and its checkpoints
 */
#ifndef BRAMBLE_TRAIN_RESULTS_H
#define BRAMBLE_TRAIN_RESULTS_H

#include "prepare.h"

/*
 * results_create - make the result file and the structure of checkpoints; the last part of prepare_job
 * A run that goes on begins with the rows of its former starts, with one more interruption, and with the
 * model that was tested last in the evaluation's weights.  false with err, the same on every rank; then nothing is
 * left behind.  Collective.
 */
bool results_create(preparation *self, job *to, error *err);

/* results_clients - how many clients have rows of their own in the file: all, or none where each rank's tell */
size_t results_clients(const job *of);

#endif
