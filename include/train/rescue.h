/*
 * rescue.h - ranks have died, and those that are left go on (transport_guard)
 */
#ifndef BRAMBLE_TRAIN_RESCUE_H
#define BRAMBLE_TRAIN_RESCUE_H

#include "train/job.h"

/*
 * rescue_job - make the job ready to be prepared and run again by the ranks that are left
 *   lost  in  names of those that have died, for the one line on stderr
 * The rounds done are saved and the job goes on from there, as with --resume; it begins anew where none were
 * done.  --shards and --case, which belong to a number of workers, are forgotten.  false with err, the same on
 * every rank (environment): no worker is left, the rounds cannot be saved.  Collective;
 * when one more dies in it, it is called once more.
 */
bool rescue_job(job *self, const char *lost, error *err);

/* rescue_tidy - all that rescue_job has written is in memory again, or of no more use: remove what is no file of the
 * user's own.  The server's. */
void rescue_tidy(const job *self);

#endif
