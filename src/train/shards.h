/*
 * shards.h - the training images on their way from the server's data set to the workers that own them
 */
#ifndef BRAMBLE_TRAIN_SHARDS_H
#define BRAMBLE_TRAIN_SHARDS_H

#include "base/error.h"
#include "course.h"
#include "data/source.h"
#include "worker.h"

#include <stddef.h>
#include <stdint.h>

typedef struct shards_plan {
    /* on the server: the data set, and of each of its first n training images the client (data/partition.h); NULL and
     * 0 elsewhere; tester: who has those that nobody owns to test with, or NULL */
    source *from;
    const uint32_t *owner, *tester;
    size_t n;
    const course *on;   /* who trains which client */
    int64_t *labels;    /* on the server: of each client n_classes counts; its images are added */
    data_checksum *sum; /* on the server: of all images that go to somebody, in file order */
} shards_plan;

/*
 * shards_deliver - a scatter, MPI_Scatterv in pieces: to every worker the images of its clients, each client's in the
 *                  order in which they stand in the training set
 *   to  inout  on a worker: its clients' images are filled in.  NULL on a server that is none
 * Where clients share, a broadcast of all of them.
 * Read once, piece by piece: no server holds the whole training set.  Collective, but err is this rank's own:
 * what the server cannot read is its error, and every worker's that waits for more.
 */
void shards_deliver(const shards_plan *plan, worker *to, error *err);

#endif
