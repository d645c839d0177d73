/*
 * npy.h - arrays of NumPy's: a header, which is a dict of Python's, and numbers behind it
 *
 * Source: the documentation of numpy.lib.format.
 */
#ifndef BRAMBLE_DATA_NPY_H
#define BRAMBLE_DATA_NPY_H

#include "data/zip.h"

enum { NPY_MAX_DIMS = 8 };

/* An array whose numbers may be read. */
typedef struct npy {
    bytes *from;    /* where it lies; bytes_free it */
    uint64_t start; /* of the numbers, row-major */
    int n_dims;     /* 0: a single value; may be more than dims holds */
    uint64_t dims[NPY_MAX_DIMS];
    char type[32]; /* as the header has it: "<f4" */
    char kind; /* 'u', 'i', 'f': unsigned, signed, floating-point, little-endian; 0: another type */
    size_t element_bytes; /* 0: another type */
} npy;

/*
 * npy_open - a member of a zip file
 *   name  in  "x_train": the member is x_train.npy;  path  in  of the zip file, for messages
 * Where type and dims are known, the numbers are all there.  Returns false with err: no such member, no such array,
 * in Fortran's order, cut off, damaged (user), memory (environment); then there is nothing to free.
 */
bool npy_open(npy *self, const zip *from, const char *path, const char *name, error *err);

#endif
