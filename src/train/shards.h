/*
 * shards.h - the training images on their way from the server's data set to the workers that own them
 */
#ifndef BRAMBLE_TRAIN_SHARDS_H
#define BRAMBLE_TRAIN_SHARDS_H

#include "base/error.h"
#include "data/source.h"

#include <stddef.h>
#include <stdint.h>

/*
 * shards_deliver - a scatter, MPI_Scatterv in pieces: to every worker its own images, in the order in which they stand
 *                  in the training set
 *   from, owner  in     on the server: the data set, and of each of its first n training images the worker
 *                       (data/partition.h); NULL and 0 elsewhere
 *   mine         inout  on a worker: of as many images as it owns; filled in.  NULL on a server that is none
 *   labels       inout  on the server: of each rank that is a worker, n_classes counts; its images are added
 *   sum          inout  on the server: of the images that have an owner, in file order
 * Read once, piece by piece: nobody holds the whole training set.  Collective, but err is this rank's own:
 * what the server cannot read is its error, and every worker's that waits for more.
 */
void shards_deliver(source *from, const uint32_t *owner, size_t n, dataset *mine, int64_t *labels,
                    data_checksum *sum, error *err);

#endif
