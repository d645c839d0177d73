/*
 * column.h - a column of a table: a member of the struct that is a row, and a dataset of a file
 *
 * One description makes the dataset, writes it and reads it, in result files, checkpoints and files of
 * plain tables (table.h).  In the file it has the attributes `unit` and `about`.
 */
#ifndef BRAMBLE_RECORD_COLUMN_H
#define BRAMBLE_RECORD_COLUMN_H

#include <stddef.h>
#include <stdint.h>

enum record_type {
    RECORD_F64,  /* double; float64 in the file; NaN: not known */
    RECORD_I32,  /* int32_t; int64 in the file; -1: not known */
    RECORD_I64,  /* int64_t; -1: not known */
    RECORD_TEXT, /* char[n_bytes], NUL-terminated; a fixed-length string in the file */
};

typedef struct record_column {
    /* behind its NUL the unit, behind that one's the sentence: one text, one pointer */
    const char *name;
    uint16_t type;    /* enum record_type */
    uint16_t offset;  /* of the member */
    uint16_t n_bytes; /* of it; 0: a text as long as it turns out */
    uint16_t later;   /* files of former versions lack it: "not known" then */
} record_column;

/*
 * RECORD_COLUMN - of a member, named as it is
 * RECORD_LATER - the same, which files of former versions lack
 * RECORD_NAMED - with another name
 * RECORD_SINGLE - the only column of rows that are no struct; RECORD_SINGLE_LATER, which former files lack
 */
#define RECORD_COLUMN(row, member, unit, about) RECORD_MEMBER(row, member, 0, #member, unit, about)
#define RECORD_LATER(row, member, unit, about) RECORD_MEMBER(row, member, 1, #member, unit, about)
#define RECORD_NAMED(row, member, name, unit, about)                                               \
    RECORD_MEMBER(row, member, 0, name, unit, about)
/* clang-format off */
#define RECORD_MEMBER(row, member, later, name, unit, about)                                       \
    {                                                                                              \
        name "\0" unit "\0" about,                                                                 \
            _Generic(((row *)0)->member, double                                                    \
                     : RECORD_F64, int32_t                                                         \
                     : RECORD_I32, int64_t                                                         \
                     : RECORD_I64, char *                                                          \
                     : RECORD_TEXT),                                                               \
            offsetof(row, member), sizeof(((row *)0)->member), later                               \
    }
/* clang-format on */
#define RECORD_SINGLE(type, n_bytes, name, unit, about)                                            \
    {                                                                                              \
        name "\0" unit "\0" about, type, 0, n_bytes, 0                                             \
    }
#define RECORD_SINGLE_LATER(type, n_bytes, name, unit, about)                                      \
    {                                                                                              \
        name "\0" unit "\0" about, type, 0, n_bytes, 1                                             \
    }

#endif
