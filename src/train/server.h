/*
 * server.h - the server's half of the rounds
 */
#ifndef BRAMBLE_TRAIN_SERVER_H
#define BRAMBLE_TRAIN_SERVER_H

#include "training.h"

/* server_open - its books; false with err (environment).  server_close frees them. */
bool server_open(training *t, error *err);
void server_close(training *t);

/* server_past - begin with what former starts have done, if there were any */
void server_past(training *t);

/* server_listen - called while the server waits: has anybody been asked to stop, does anybody hang?
 * arg: a training */
void server_listen(void *arg);

/*
 * server_test_some - go on with a test, while nothing else is to be done; returns whether there was any.
 *                    arg: a training
 * server_test_rest - all that is left of it
 * server_test_inline - the same between the rounds, off the clock: a rank that also trains cannot test meanwhile
 */
bool server_test_some(void *arg);
void server_test_rest(training *t);
void server_test_inline(training *t);

/*
 * server_decide - the notes of all ranks are there: go on?
 *   last  in  of the round
 */
void server_decide(training *t, uint64_t round, bool last);

/* server_begin_round - an empty page in the books */
void server_begin_round(training *t);

/* server_segment - all have the average of a segment (0-based): books, and SWA */
void server_segment(training *t, uint64_t segment);

/* server_round - the last notes of a round (0-based) are there: close it, in the books, in the file and on stderr; its
 * model is written and tested, or kept */
void server_round(training *t, uint64_t round);

/* server_summary - what the run comes to after so many rounds, in the file, too */
void server_summary(training *t, uint64_t rounds, record_summary *s);

#endif
