/*
 * deal.h - images on their way from the data set, which the server alone opens, to the memory of the ranks
 */
#ifndef BRAMBLE_TRAIN_DEAL_H
#define BRAMBLE_TRAIN_DEAL_H

#include "base/error.h"
#include "course.h"
#include "data/input.h"
#include "data/source.h"
#include "options/options.h"
#include "worker.h"

#include <stdint.h>

/* On the server; zero elsewhere. */
typedef struct dealing {
    source *from;
    const char **class_names; /* of all classes */
    uint64_t n_train, n_test; /* images that may be trained on, to test with */
    uint32_t *owner;          /* n_train: the client of each */
    uint32_t *tester;         /* n_train: the client that tests with each; NULL: none does */
    uint32_t *held;           /* n_held: images that are held out, to validate with */
    size_t n_held;
    int64_t *labels; /* [client][class]: images of each, once they are dealt out */
    data_checksum train_sum, test_sum;
} dealing;

/*
 * deal_open - on the server: the data set, and who gets what of it
 *   on  inout  how many clients there are; images of each one's shard
 * false with err: the data set, a limit, the shards (user), memory (environment).  Not collective.
 */
bool deal_open(dealing *self, const train_options *options, course *on, error *err);

/*
 * deal_normalise - on the server, after deal_open: what the rules for its images are made of
 *   options  inout  normalise becomes what can be used once more: half, or numbers
 *   input    out    to be released, also after a failure
 * false with err: the option (user), a read, memory (environment).  Not collective.
 */
bool deal_normalise(dealing *self, train_options *options, input_values *input, error *err);

/* deal_test - on the server, after deal_open: read the test set, and what is held out; false with err.  Not collective. */
bool deal_test(dealing *self, dataset *test, dataset *validation, error *err);

/*
 * deal_out - a scatter: from the files on the server to the workers' memory
 *   to  inout  its clients' images are filled in, where this rank is a worker
 * Collective, but err is this rank's own.
 */
void deal_out(dealing *self, const course *on, worker *to, error *err);

/*
 * deal_sample - on the server: n of the images that are anybody's, evenly spread over the training set
 *   to  out  read; n at most as many as there are
 * false with err (environment).  Not collective.
 */
bool deal_sample(dealing *self, size_t n, dataset *to, error *err);

/* deal_checksum - of the images, all of which have passed the server */
int64_t deal_checksum(const dealing *self);

void deal_release(dealing *self);

#endif
