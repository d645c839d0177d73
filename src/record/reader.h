/*
 * reader.h - tables out of a result file that may be anything
 *
 * Private to src/record.  Errors are the user's and name file and object.
 */
#ifndef BRAMBLE_RECORD_READER_H
#define BRAMBLE_RECORD_READER_H

#include "hdf.h"
#include "schema.h"

typedef struct reader {
    hid_t file;
    const char *path;
    size_t n_bytes;      /* of the file: no dataset is larger */
    size_t n_text_bytes; /* that /config and /build may still take */
    schema_sizes sizes;  /* the shapes expected from here on */
    error *err;
} reader;

/* reader_length - rows of a one-dimensional table, judged by its first column; at least 1 */
bool reader_length(const reader *self, enum table_id id, size_t *n);

/* reader_text_length - bytes of the fixed-length string that a table of one value holds */
bool reader_text_length(const reader *self, enum table_id id, size_t *n);

/*
 * reader_table - check every column of a table and read it into rows
 *   n_rounds  in  how many rounds to read, at most self->sizes.n_rounds
 */
bool reader_table(const reader *self, enum table_id id, size_t n_rounds, void *rows);

#endif
