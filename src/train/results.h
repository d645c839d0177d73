/*
 * results.h - the files a run writes: the result file and its checkpoints
 */
#ifndef BRAMBLE_TRAIN_RESULTS_H
#define BRAMBLE_TRAIN_RESULTS_H

#include "train/job.h"

/*
 * results_create - make the result file and the structure of checkpoints; the last part of job_prepare
 * A run that goes on begins with the rows of its former starts, with one more interruption, and with the
 * model that was tested last in evaluation.w.  false with err, the same on every rank; then nothing is
 * left behind.  Collective.
 */
bool results_create(job *self, error *err);

/* results_date - seconds since 1970; clocks may be set back */
double results_date(void);

#endif
