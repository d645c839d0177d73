/*
 * direct.h - record_read, record_read_weights and checkpoint_read without the process around them
 *
 * Private to src/record, and for the fuzz targets.  Contracts as in record/record.h and
 * record/checkpoint.h.
 */
#ifndef BRAMBLE_RECORD_DIRECT_H
#define BRAMBLE_RECORD_DIRECT_H

#include "record/checkpoint.h"
#include "record/record.h"

/* direct_read - as record_read; HDF5 may crash over a damaged file */
record_file *direct_read(const char *path, error *err);

/* direct_read_weights - as record_read_weights; HDF5 may crash over a damaged file */
bool direct_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err);

/* direct_read_checkpoint - as checkpoint_read of this file alone; HDF5 may crash over a damaged one */
checkpoint_file *direct_read_checkpoint(const char *path, error *err);

#endif
