/*
 * arrays.h - images and labels as named arrays of a file, whatever kind of file that is
 *
 * Private to src/data.
 */
#ifndef BRAMBLE_DATA_ARRAYS_H
#define BRAMBLE_DATA_ARRAYS_H

#include "labelled.h"

enum { ARRAY_MAX_DIMS = 4, ARRAY_NAME_BYTES = 128 };

/* What a file says of one of its arrays. */
typedef struct array {
    char name[ARRAY_NAME_BYTES];
    int n_dims; /* may be more than dims holds */
    uint64_t dims[ARRAY_MAX_DIMS];
    bool is_bytes, is_whole; /* unsigned bytes; whole numbers of any size */
    char type[32];           /* for messages */
} array;

/* A file of arrays. */
typedef struct array_file {
    void *state;
    const char *path;
    /* has - is there an array of that name? */
    bool (*has)(void *state, const char *name);
    /* describe - false with err (user): what is there cannot be read.  dims are borne out by the file's length */
    bool (*describe)(void *state, const char *name, array *what, error *err);
    /* labels - the first dims[0] numbers, each within 64 bits; false with err */
    bool (*labels)(void *state, const array *what, int64_t *labels, error *err);
    /* images - make the images of a set; shape is that of one; false with err */
    bool (*images)(void *state, const array *what, image_shape shape, enum labelled_layout layout,
                   labelled_set *set, error *err);
} array_file;

/*
 * arrays_cut_names - cut ":X,Y" off the end of a copy of a spec; returns "X,Y", or NULL where there is none
 */
char *arrays_cut_names(char *spec);

/*
 * arrays_open - the data set of a file
 *   names  in  "X,Y", the arrays with images and labels, in groups train and test where the file has those;
 *              NULL: one of the usual pairs of names
 * Images are [image][channel][row][column] or, where the last dimension is 1, 3 or 4, [image][row][column][channel],
 * or [image][row][column]; labels [image] or [image][1].  Where nothing is set aside for testing, labelled_finish
 * does it.  Returns NULL with err (user): none of the names, other types or shapes, labels out of range.
 */
labelled *arrays_open(const array_file *file, const char *names, error *err);

#endif
