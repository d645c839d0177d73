/*
 * state.h - a result file being written: offsets into a closed HDF5 file
 *
 * Private to src/record.
 */
#ifndef BRAMBLE_RECORD_STATE_H
#define BRAMBLE_RECORD_STATE_H

#include "schema.h"

/* Where one of a checkpoint's vectors lies. */
typedef struct state_vector {
    uint64_t at;
    size_t n_bytes;
} state_vector;

struct record {
    int fd;
    bool broken; /* something could not be written, and was told; any thread's */
    char *path;  /* the final name, for messages */
    schema_sizes sizes;
    size_t n_present; /* ranks that rows come from */
    int64_t n_done;
    uint64_t at[TABLE_COUNT][SCHEMA_MAX_COLUMNS]; /* offset in the file of every column */
    tensor *tensors;
    uint64_t *tensor_at;
    size_t n_tensors;
    state_vector *vectors; /* of a checkpoint */
    size_t n_vectors;
    char *buffer; /* one column of the largest piece ever written at once */
};

/*
 * state_new - a whole file of a new name in path's folder, open for reading and writing
 *   temporary  out  its name; memory_free it; NULL when no such file is left
 * Returns NULL with err.
 */
record *state_new(const char *path, const record_plan *plan, char **temporary, error *err);

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

/* state_write_bytes - n bytes at an offset.  Returns false with err (environment). */
bool state_write_bytes(record *self, const void *data, size_t n, uint64_t offset, error *err);

/* state_report - a call on the file failed with that errno.  Returns false with err (environment). */
bool state_report(record *self, int number, error *err);

/* state_free - close and release; says nothing about failures; NULL is legal */
void state_free(record *self);

#endif
