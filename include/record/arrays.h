/*
 * arrays.h - named arrays at the root of an HDF5 file: weights as other programs keep them
 *
 * Files are read in a process of their own (base/child.h); nothing in them is trusted.
 */
#ifndef BRAMBLE_RECORD_ARRAYS_H
#define BRAMBLE_RECORD_ARRAYS_H

#include "base/error.h"
#include "record/record.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    RECORD_NAMED_BYTES = 256,
    RECORD_NAMED_DIMS = 8,
    RECORD_NAMED_MAX = 16384,     /* arrays of a file */
    RECORD_NAMED_COUNT = 1 << 28, /* numbers in all of them */
    RECORD_PAIR_BYTES = 1 << 22   /* of a string */
};

typedef struct record_named {
    const char *name;
    int n_dims; /* 0: a single value */
    const size_t *dims;
    const float *values; /* NULL: a single whole number, 0 */
} record_named;

typedef struct record_named_list {
    const record_named *arrays;
    size_t n_arrays;
    const record_pair *pairs; /* string attributes of the root */
    size_t n_pairs;
} record_named_list;

/*
 * record_write_arrays - fill a file
 *   temporary  in  its name for now (place.h);  path  in  for messages
 * Returns false with err (environment).  Not collective.
 */
bool record_write_arrays(const char *temporary, const char *path, const record_named_list *what,
                         error *err);

/* Who gets what is read. */
typedef struct record_taker {
    void *arg;
    /* array - where its numbers are to go, row-major; whole numbers are not read, and *values stays NULL then;
     * false with err */
    bool (*array)(void *arg, const record_named *what, bool floats, float **values, error *err);
    /* pair - a string attribute of the root of one of these names, NULL-terminated; false with err */
    bool (*pair)(void *arg, const char *name, const char *value, error *err);
    const char *const *pair_names;
} record_taker;

/*
 * record_read_arrays - hand out all arrays of a file's root
 * Returns false with err: no HDF5 file, anything at its root that is no array of floating-point numbers of 2, 4 or 8
 * bytes or of whole numbers, never written, too many (user); what the taker says.  Not collective.
 */
bool record_read_arrays(const char *path, const record_taker *to, error *err);

#endif
