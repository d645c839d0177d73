/*
 * direct.h - the readers of record.h, arrays.h, checkpoint.h, table.h and images.h without the process around them
 *
 * Private to src/record, and for the fuzz targets.  Contracts as there.
 */
#ifndef BRAMBLE_RECORD_DIRECT_H
#define BRAMBLE_RECORD_DIRECT_H

#include "record/arrays.h"
#include "record/checkpoint.h"
#include "record/images.h"
#include "record/record.h"
#include "record/table.h"

#include <stdio.h>

/* direct_read, direct_read_rounds - as record_read and its sister; HDF5 may crash over a damaged file */
record_file *direct_read(const char *path, error *err);
record_file *direct_read_rounds(const char *path, error *err);

/* direct_read_weights - as record_read_weights; HDF5 may crash over a damaged file */
bool direct_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err);

/* direct_read_checkpoint - as checkpoint_read of this file alone; HDF5 may crash over a damaged one */
checkpoint_file *direct_read_checkpoint(const char *path, error *err);
enum { DIRECT_MAX_VECTORS = 64, DIRECT_MAX_OUT_BYTES = 4096 };

/* direct_check_position - does a checkpoint's position fit its rows and vectors?  false with err (user) */
bool direct_check_position(const checkpoint_file *self, error *err);

/* direct_read_tables - as record_read_tables; HDF5 may crash over a damaged file */
bool direct_read_tables(const char *path, const char *format, const char *group, bool *is_one,
                        record_values_list *out, error *err);
enum { DIRECT_MAX_VALUES = 512 };

/* direct_array_describe, direct_array_read - as record_array_*; HDF5 may crash over a damaged file */
bool direct_array_describe(const char *path, const char *name, record_array *what, error *err);
bool direct_array_read(const record_wanted *what, void *to, error *err);

/* What direct_read_arrays writes: heads, and behind each the numbers of an array, floats, or the bytes of a pair. */
enum direct_array_kind { DIRECT_ARRAY, DIRECT_PAIR };
typedef struct direct_array_head {
    enum direct_array_kind kind;
    int floats; /* 0: there are no numbers behind it */
    int n_dims;
    size_t dims[RECORD_NAMED_DIMS]; /* of a pair the first: bytes */
    char name[RECORD_NAMED_BYTES];
} direct_array_head;

/* direct_read_arrays - what is at the root of a file, to a stream; else as record_read_arrays */
bool direct_read_arrays(const char *path, const char *const *pair_names, FILE *out, error *err);

#endif
