/*
 * clients.h - what a rank's clients do in a segment, one after the other
 *
 * On a rank without clients they do nothing.  None is collective.
 */
#ifndef BRAMBLE_TRAIN_CLIENTS_H
#define BRAMBLE_TRAIN_CLIENTS_H

#include "training.h"

/* clients_weights - what a client that takes part trains, and has come to until the average takes it away */
float *clients_weights(const training *t, const client *who);

/* clients_train - the segment's steps of all that take part, from the weights of all on; their notes are t->mine.  After a
 * call to stop the rest is left out.  Where they test with images of their own they do, at the end of a round that is to
 * be tested. */
void clients_train(training *t, uint64_t round, uint64_t segment);

/* clients_keep_local - what stays a client's own (local.h) of all that take part, before the average */
void clients_keep_local(training *t);

/* clients_add_variates - of those that count, n on all ranks together (variates_add), before the average */
void clients_add_variates(training *t, int n);

/* clients_forget_diverged - who has diverged begins anew with the others' weights, after the average */
void clients_forget_diverged(training *t);

#endif
