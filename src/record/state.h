/*
 * state.h - a result file being written: offsets into a closed HDF5 file
 *
 * Private to src/record.
 */
#ifndef BRAMBLE_RECORD_STATE_H
#define BRAMBLE_RECORD_STATE_H

#include "schema.h"

struct record {
    int fd;
    char *path; /* the final name, for messages */
    schema_sizes sizes;
    int64_t n_done;
    double t_synced_s;
    uint64_t at[TABLE_COUNT][SCHEMA_MAX_COLUMNS]; /* offset in the file of every column */
    tensor *tensors;
    uint64_t *tensor_at;
    size_t n_tensors;
    char *buffer; /* one column of the largest piece ever written at once */
};

/*
 * state_create - make the HDF5 file under its temporary name, complete but for its numbers, close it
 * and note where every column lies.  Returns false with err (environment).
 */
bool state_create(record *self, const char *temporary, const record_plan *plan, error *err);

/*
 * state_write - write rows of a table, column by column
 *   first  in  number of the first row, counted over all dims
 *   rows   in  n structs of the table
 * Returns false with err (environment).
 */
bool state_write(record *self, enum table_id id, size_t first, size_t n, const void *rows,
                 error *err);

/* state_sync - fdatasync.  Returns false with err (environment). */
bool state_sync(record *self, error *err);

/* state_free - close and release; says nothing about failures; NULL is legal */
void state_free(record *self);

#endif
