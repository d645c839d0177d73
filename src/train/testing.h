/*
 * testing.h - which models the server tests, and what that has taken
 */
#ifndef BRAMBLE_TRAIN_TESTING_H
#define BRAMBLE_TRAIN_TESTING_H

#include "measure.h"
#include "record/record.h"
#include "train/evaluate.h"

typedef struct testing {
    evaluation *evaluation;
    measure measure; /* of the model's statistics, before the test */
    record *to;
    float *kept;        /* model of the last round that is not to be tested */
    int64_t kept_round; /* 0-based, as all here; -1: none */
    int64_t round;      /* whose model is or was tested last, and is in the file; -1: none */
    bool done;          /* its result is in the file */
    double t_s;         /* what a test takes; 0: not known */
    double t_spent_s, cpu_spent_s; /* by tests, up to now */
    double t_begun_s;              /* t_spent_s at the beginning of the last */
} testing;

/*
 * testing_init - nothing to test yet; all must outlive it
 *   images  in  training images to measure a model's statistics with; none: it is tested as it is
 * false with err (environment).
 */
bool testing_init(testing *self, evaluation *by, record *to, const dataset *images, error *err);
void testing_release(testing *self);

/* testing_begin - test this model of a round: the evaluation's own copy, where w is that */
void testing_begin(testing *self, int64_t round, const float *w);

/*
 * testing_take - a round is over: write its model and begin to test it, or keep it where no test is due.  It is
 *                written once more when its statistics have been measured.
 * testing_leave - the run ends before all rounds are done: write what was kept, if that is the newest
 * Set err (environment).
 */
void testing_take(testing *self, uint64_t round, const float *w, bool due, error *err);
void testing_leave(const testing *self, error *err);

/*
 * testing_slice - go on for about t_s seconds; there is something to do (not self->done)
 *   row  out  when it has come to its end: what is in the file now
 * Returns whether it has; sets err (environment).
 */
bool testing_slice(testing *self, double t_s, record_test *row, error *err);

#endif
