/*
 * schema.h - what stands in a result file: one table per group drives create, write and read
 *
 * A table lists columns, each a dataset of its own, and binds them to the members of a C struct, the
 * row.
 * Private to src/record; docs/results.md is the same for users.
 */
#ifndef BRAMBLE_RECORD_SCHEMA_H
#define BRAMBLE_RECORD_SCHEMA_H

#include "record/checkpoint.h"
#include "record/column.h"
#include "record/record.h"

enum { SCHEMA_VERSION = 1, SCHEMA_MAX_COLUMNS = 40, SCHEMA_MAX_TEXT_BYTES = 1 << 20 };
#define SCHEMA_MAX_BYTES 4294967296.0 /* of a result file */
#define SCHEMA_OVERHEAD_BYTES 65536.0 /* about: groups, object headers, attributes */
#define SCHEMA_FORMAT "bramble"
#define SCHEMA_CONFIG "/config" /* a string attribute per pair */
#define SCHEMA_BUILD "/build"
#define SCHEMA_MODEL "/model" /* the tensors stand here too, under their own names */
#define SCHEMA_PROGRESS "/progress"
#define SCHEMA_INTERRUPTIONS "/interruptions"
#define SCHEMA_CLIENTS "/clients"
#define SCHEMA_CLIENT_ROUNDS "/rounds/clients"
#define SCHEMA_CHECKPOINT "/checkpoint" /* besides its table: the vectors, and */
#define SCHEMA_OUT "out"                /* a string attribute */

enum shape {
    SHAPE_SCALAR,
    SHAPE_RANKS,
    SHAPE_ROUNDS,
    SHAPE_ROUNDS_RANKS,
    SHAPE_CLASSES,
    SHAPE_PAIRS, /* of classes */
    SHAPE_RANKS_CLASSES,
    SHAPE_CLIENTS, /* these three where there are clients */
    SHAPE_ROUNDS_CLIENTS,
    SHAPE_CLIENTS_CLASSES,
    SHAPE_INTERRUPTIONS /* the table is missing where there are none */
};

typedef struct schema_table {
    const char *group;            /* absolute */
    enum shape shape;             /* of every column */
    size_t row_bytes;             /* size of the struct */
    const record_column *columns; /* the first; schema_column is the i-th */
    size_t n_columns, column_bytes;
} schema_table;

enum table_id {
    TABLE_MACHINE,
    TABLE_DONE, /* row: int64_t */
    TABLE_ROUND,
    TABLE_RANK,
    TABLE_TEST,
    TABLE_CONFUSION,      /* row: int64_t */
    TABLE_CLASSES,        /* row: char[RECORD_CLASS_BYTES] */
    TABLE_SHARDS,         /* row: int64_t */
    TABLE_ROUND_OF_MODEL, /* row: int64_t */
    TABLE_TEXT_OF_MODEL,  /* row: the text */
    TABLE_SUMMARY,
    TABLE_STALL,
    TABLE_PROGRESS,
    TABLE_INTERRUPTION,
    TABLE_CLIENT,
    TABLE_CLIENT_LABELS, /* row: int64_t */
    TABLE_CLIENT_ROUND,
    TABLE_POSITION, /* of a checkpoint only */
    TABLE_COUNT
};

extern const schema_table schema_tables[TABLE_COUNT];

/* schema_groups - every group but the root, parents first, NULL-terminated */
extern const char *const schema_groups[];

typedef struct schema_sizes {
    size_t n_rounds, n_ranks, n_classes, n_text_bytes;
    size_t n_interruptions, n_clients;
    bool is_checkpoint;
} schema_sizes;

const record_column *schema_column(const schema_table *table, size_t i);

/* schema_has - does a file of these sizes have the table?  schema_has_group - the group? */
bool schema_has(enum table_id id, const schema_sizes *sizes);
bool schema_has_group(const char *group, const schema_sizes *sizes);

/* schema_dims - dims of a table's columns; returns their number, 0 for a single value */
int schema_dims(enum shape shape, const schema_sizes *sizes, size_t dims[2]);

/* schema_bytes - roughly the size of the whole file but for the tensors */
double schema_bytes(const schema_sizes *sizes);

#endif
