/*
 * direct.h - record_read and record_read_weights without the process around them
 *
 * Private to src/record, and for the fuzz targets.  Contracts as in record/record.h.
 */
#ifndef BRAMBLE_RECORD_DIRECT_H
#define BRAMBLE_RECORD_DIRECT_H

#include "record/record.h"

/* direct_read - as record_read; HDF5 may crash over a damaged file */
record_file *direct_read(const char *path, error *err);

/* direct_read_weights - as record_read_weights; HDF5 may crash over a damaged file */
bool direct_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err);

#endif
