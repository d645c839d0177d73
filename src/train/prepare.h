/*
 * prepare.h - from the options of a run to a job in which the first step can be taken
 *
 * What only that needs is freed before the first step.
 */
#ifndef BRAMBLE_TRAIN_PREPARE_H
#define BRAMBLE_TRAIN_PREPARE_H

#include "deal.h"
#include "host/threads.h"
#include "job.h"
#include "record/checkpoint.h"
#include "train/run.h"

typedef struct preparation {
    run *run;              /* whose options are settled here */
    checkpoint_file *from; /* with --resume: the server's (resume.h) */
    char *model_text;
    dealing dealing;
    bool replace; /* what stands at run->out */
    threads_advice advice;
} preparation;

/*
 * prepare_job - model, data, memory, weights, shards, files
 *   self  inout  after resume_begin; released when that is done, but not after a failure
 *   to    out    zero before; to be released with job_release also after a failure
 * Files are read on the server alone.  false with err, the same on every rank.  Collective.
 */
bool prepare_job(preparation *self, job *to, error *err);

/* prepare_release - close and free everything.  Not collective. */
void prepare_release(preparation *self);

#endif
