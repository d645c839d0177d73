/*
 * deal.h - images on their way from the data set, which the server alone opens, to the memory of the ranks
 */
#ifndef BRAMBLE_TRAIN_DEAL_H
#define BRAMBLE_TRAIN_DEAL_H

#include "base/error.h"
#include "data/input.h"
#include "data/source.h"
#include "model/model.h"
#include "options/options.h"

#include <stdint.h>

/* On the server; zero elsewhere. */
typedef struct dealing {
    source *from;
    const char **class_names; /* of the model's classes */
    uint64_t n_train;         /* images that may be trained on */
    uint32_t *owner;          /* n_train: the worker of each */
    data_checksum train_sum, test_sum;
} dealing;

/*
 * deal_open - on the server: all that is checked before anybody takes memory, and the test set
 *   input   out  what becomes of all images
 *   images  out  of each worker's shard
 *   test    out  read
 * false with err: the data set, a limit, the shards (user), a read (environment).  Not collective.
 */
bool deal_open(dealing *self, const train_options *options, const model *of, input_rule *input,
               uint64_t *images, dataset *test, error *err);

/*
 * deal_out - from the files on the server to the workers' memory
 *   shard  inout  filled in, where this rank is a worker
 * Collective, but err is this rank's own.
 */
void deal_out(dealing *self, dataset *shard, error *err);

/* deal_checksum - of the images, all of which have passed the server */
int64_t deal_checksum(const dealing *self);

void deal_release(dealing *self);

#endif
