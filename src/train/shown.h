/*
 * shown.h - where a run is, on stderr and in the result file: the server's
 */
#ifndef BRAMBLE_TRAIN_SHOWN_H
#define BRAMBLE_TRAIN_SHOWN_H

#include "training.h"

/* shown_begin - nothing is done yet */
void shown_begin(training *t);

/* shown_round - a round is done
 * shown_present - the same within a round, once a second at most */
void shown_round(training *t);
void shown_present(training *t);

#endif
