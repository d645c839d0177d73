/*
 * server.h - the server's half of the rounds
 */
#ifndef BRAMBLE_TRAIN_SERVER_H
#define BRAMBLE_TRAIN_SERVER_H

#include "training.h"

/*
 * server_show - a round is done: progress on stderr and in the file
 * server_show_present - the same within a round, once a second at most
 */
void server_show(training *t);
void server_show_present(training *t);

/* server_listen - called while the server waits: has anybody been asked to stop, does anybody hang?
 * arg: a training */
void server_listen(void *arg);

/*
 * server_evaluate_some - some evaluation, while nothing else is to be done; returns whether there was any
 * server_evaluate_rest - all that is left of it
 * server_evaluate_inline - the same between the rounds, off the clock: a rank that also trains cannot
 *                          evaluate meanwhile
 */
bool server_evaluate_some(void *arg);
void server_evaluate_rest(training *t);
void server_evaluate_inline(training *t);

/*
 * server_take_model - a round (0-based) is over: write its model and begin to test it, or keep it
 * server_leave_model - the run ends before all rounds are done: write what was kept, if that is the newest.
 *                      Sets err (environment)
 */
void server_take_model(training *t, uint64_t round);
void server_leave_model(training *t, error *err);

/* server_add_to_tail - for --tail-average: an average of the round is there */
void server_add_to_tail(training *t, uint64_t segment);

#endif
