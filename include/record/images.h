/*
 * images.h - images and labels in HDF5 files, anybody's and our own
 *
 * Files are read in a process of their own (base/child.h); nothing in them is trusted.
 */
#ifndef BRAMBLE_RECORD_IMAGES_H
#define BRAMBLE_RECORD_IMAGES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_ARRAY_DIMS = 4, RECORD_CLASS_BYTES = 64, RECORD_TEXT_BYTES = 4096 };

/* What a dataset is. */
typedef struct record_array {
    bool is_there;
    int n_dims; /* may be more than dims holds */
    uint64_t dims[RECORD_ARRAY_DIMS];
    bool is_bytes, is_whole; /* unsigned integers of 8 bits; integers of any size */
    bool is_text;            /* strings, those of fixed length of at most RECORD_TEXT_BYTES */
    bool is_variable;        /* strings of variable length */
    char type[32];           /* for messages */
} record_array;

/*
 * record_array_describe - what is there of a name, a path below the root?
 * A name that leads nowhere is no error.  Returns false with err (user): no HDF5 file, or what is there is no
 * array whose numbers lie in the file, all of them written.
 */
bool record_array_describe(const char *path, const char *name, record_array *what, error *err);

/* What is wanted of an array: elements, each all that stands behind the first dimension. */
enum record_element { RECORD_BYTES, RECORD_WHOLE, RECORD_NAMES };
typedef struct record_wanted {
    const char *path, *name;
    /* uint8_t, int64_t, or char[RECORD_CLASS_BYTES], NUL-terminated, cut to fit after a letter */
    enum record_element as;
    size_t n_bytes;         /* of an element, in these */
    const uint32_t *places; /* increasing; NULL: from the first on */
    size_t n;
} record_wanted;

/* record_array_read - n elements, n_bytes each, into `to`; false with err as above */
bool record_array_read(const record_wanted *what, void *to, error *err);

#define RECORD_IMAGES "bramble-data" /* the format of what record_write_images writes */

/* A data set to be written. */
typedef struct record_images {
    size_t count[2]; /* for training and for testing */
    int channels, height, width, n_classes;
    const char *about; /* where it came from */
    void *from;        /* what the two get */
    const char *(*class_name)(void *from, int c);
    bool (*read)(void *from, int split, size_t first, size_t n, uint8_t *images, uint16_t *labels,
                 error *err);
} record_images;

/*
 * record_write_images - a file with /train/images, /train/labels, /test/images, /test/labels and /class_names
 * Images and labels are in chunks with checksums, which every reader of HDF5 looks at.  The file appears whole or
 * not at all; without force an existing one is never replaced.  Returns false with err: as record_create, or what
 * read says.  Not collective.
 */
bool record_write_images(const char *path, bool force, const record_images *what, error *err);

#endif
