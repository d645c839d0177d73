/*
 * resume.h - a run goes on from a checkpoint: what is taken from it, and what must agree with it
 *
 * Each is a part of prepare_job or comes right before it, on all ranks together.
 */
#ifndef BRAMBLE_TRAIN_RESUME_H
#define BRAMBLE_TRAIN_RESUME_H

#include "prepare.h"

/*
 * resume_begin - with --resume: read the checkpoint, give every rank the options of the run
 * A warning about a damaged newest checkpoint goes to stderr.  false with err: neither checkpoint can be
 * used, an option on which the result depends differs (user).  Where the result file of the run is complete,
 * and neither more rounds nor another target is asked for, run->finished is set, on every rank, and on the
 * server what is needed to say so: out, n_test, summary.  Without --resume it does nothing.
 * Collective.
 */
bool resume_begin(preparation *self, error *err);

/*
 * resume_model - the text of the checkpoint's model; memory_free it
 *   path  in  of a model file given now, which must hold the same; NULL: none
 * Returns NULL with err.  Not collective: the server's, as are the next four.
 */
char *resume_model(const preparation *self, const char *path, error *err);

/* resume_model_given - is a model named now? */
bool resume_model_given(const preparation *self);

/* resume_place - settle run->out; a file there may be replaced if it is this run's own */
bool resume_place(preparation *self, error *err);

/* resume_check_data - are these the images of the former start?  false with err (user) */
bool resume_check_data(const preparation *self, const job *now, error *err);

/* resume_check_vectors - has the checkpoint all vectors the run goes on from (saved.h), in their shapes?  false with err
 * (user) */
bool resume_check_vectors(const preparation *self, const job *to, error *err);

/*
 * resume_vectors - give them to all ranks; of a vector per client every client its own, and with another number of
 * clients their mean, for all; one that may be missing, and is, stays as it is on all ranks: 0
 * Collective.
 */
void resume_vectors(const preparation *self, job *to);

#endif
