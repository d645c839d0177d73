/*
 * round.h - a round of the synchronous protocol
 *
 * Both roles' half of a round stands in one function, so that they cannot drift apart.  Another protocol is another
 * such function, with training.c around it.
 */
#ifndef BRAMBLE_TRAIN_ROUND_H
#define BRAMBLE_TRAIN_ROUND_H

#include "training.h"

/*
 * Another protocol is another such function, and one line in training.c.
 *
 * round_run - a round (0-based) of either role, or of both in one rank
 * true with t->decision->stop: the round is dropped.  false with err, the same on every rank: weights that are no
 * longer finite (user), a result file that cannot be written (environment).  Collective.
 */
bool round_run(training *t, uint64_t round, error *err);

#endif
