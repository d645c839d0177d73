/*
 * table.h - an HDF5 file of plain tables, written in one go
 *
 * For what is measured once and is no training run.  Each column (column.h) becomes a dataset of its own,
 * as in a result file.
 */
#ifndef BRAMBLE_RECORD_TABLE_H
#define BRAMBLE_RECORD_TABLE_H

#include "base/error.h"
#include "record/column.h"
#include "record/record.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct record_table {
    const char *name; /* of its group */
    const record_column *columns;
    size_t n_columns;
    const void *rows; /* n_rows structs of row_bytes */
    size_t n_rows, row_bytes;
} record_table;

#define RECORD_DOCTOR "bramble-doctor" /* the format of what bramble doctor writes */

typedef struct record_tables {
    const char *format, *group,
        *about; /* the root's `format`; the group that holds all; what it is */
    const record_table *tables;
    size_t n_tables;
    const record_pair *pairs; /* string attributes of the group */
    size_t n_pairs;
} record_tables;

/*
 * record_write_tables - make the file, whole, under its final name
 * Without force an existing file is never replaced.  Returns false with err as record_create does; then no
 * file of ours is left behind.  Not collective.
 */
bool record_write_tables(const char *path, bool force, const record_tables *what, error *err);

/* What a file of tables holds: a column of a table, or, where table is "", an attribute of the group. */
typedef struct record_values {
    char table[64], name[64];
    enum record_type type; /* whole numbers: RECORD_I64 */
    size_t n, n_bytes;     /* of an element: double, int64_t, or char[n_bytes], NUL-terminated */
    void *values;
} record_values;

typedef struct record_values_list {
    record_values *all;
    size_t n;
} record_values_list;

/*
 * record_read_tables - read what record_write_tables has written
 *   format, group  in   as there
 *   out            out  release with record_values_free
 * Returns false with err (user) as record_read does, and *is_one false where the file is of no such format.
 * Nothing in the file is trusted.  Not collective.
 */
bool record_read_tables(const char *path, const char *format, const char *group, bool *is_one,
                        record_values_list *out, error *err);
void record_values_free(record_values_list *self);

#endif
