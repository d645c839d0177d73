/*
 * exchange.h - trained models in files of other programs
 *
 * A format is a table of functions in a file of its own, src/exchange/NAME.c; names and shapes of what it holds are
 * those of PyTorch's state_dict.  To add one: such a file, and a line in src/exchange/exchange.c.
 */
#ifndef BRAMBLE_EXCHANGE_EXCHANGE_H
#define BRAMBLE_EXCHANGE_EXCHANGE_H

#include "base/error.h"
#include "data/input.h"
#include "model/model.h"
#include "record/images.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- what is written --------------------------------------------------------------------------- */

/* A trained model, and all that belongs to it; release with exchange_model_free. */
typedef struct exchange_model {
    char *path; /* of the result file it comes from, without a group */
    char *text; /* its model file */
    model *
        graph; /* model_outline of it: every layer of the file, also those that another would absorb */
    float *w;        /* n_weights, finite: where graph->tensors says */
    char *normalise; /* as --normalise takes it: "half", or numbers */
    input_values
        input; /* the same as numbers: x = (byte / 255 - mean) / deviation; from: the shape of an image */
    char (*class_names)[RECORD_CLASS_BYTES]; /* graph->n_classes */
} exchange_model;

/*
 * exchange_model_open - the model of a result file
 *   path  in  "FILE" or "FILE:/group", as record_read_weights
 * Returns NULL with err: as record_read and record_read_weights; a model or normalisation that this program does not
 * know (user).  Not collective.
 */
exchange_model *exchange_model_open(const char *path, error *err);
void exchange_model_free(exchange_model *self);

/* Where a format writes: a new, empty file of another name in the same folder, which gets its own when it is whole. */
typedef struct exchange_out {
    const char *path;      /* for messages */
    const char *temporary; /* for libraries that open files themselves */
    FILE *stream;          /* open on it; that all could be written is looked at by who opened it */
} exchange_out;

/* ---- what is read ------------------------------------------------------------------------------ */

/* More than a tensor of ours has, to say what was found. */
enum { EXCHANGE_NAME_BYTES = 256, EXCHANGE_MAX_DIMS = 8, EXCHANGE_MAX_ARRAYS = 16384 };

/* A named array, row-major. */
typedef struct exchange_array {
    char name[EXCHANGE_NAME_BYTES];
    int n_dims; /* 0: a single value */
    size_t dims[EXCHANGE_MAX_DIMS];
    size_t count;  /* product of dims */
    float *values; /* count; NULL: whole numbers, which no layer has for weights */
} exchange_array;

/* What a file holds; release with exchange_file_release, also after failure. */
typedef struct exchange_file {
    exchange_array *arrays;    /* n_arrays, no name twice */
    size_t n_arrays, n_floats; /* in all of them: at most MODEL_MAX_WEIGHTS */
    /* where the file says so, else NULL or 0: */
    char *text;      /* a model file */
    bool translated; /* made of a graph in the file: nobody has seen it yet */
    char *normalise; /* as above */
    char (*class_names)[RECORD_CLASS_BYTES];
    int n_classes;
} exchange_file;
void exchange_file_release(exchange_file *self);

/*
 * exchange_file_add - one more array
 *   dims  in  n_dims; their product is checked to be memory
 *   floats  in  whether it has values, which are zeroed and the caller's to set
 * Returns it, valid until the next, or NULL with err: a name that is there or too long, too many arrays or dims (user),
 * memory (environment).
 */
exchange_array *exchange_file_add(exchange_file *self, const char *name, int n_dims,
                                  const size_t *dims, bool floats, error *err);

/*
 * exchange_read - read a file of any format, which its bytes tell
 *   out  out  zeroed by this function
 * Nothing in the file is trusted.  false with err (user): no such file, of no format that is known, not what its name
 * says, one of Python's pickles (with the way out), damaged, numbers of a type that is not read.  Not collective.
 */
bool exchange_read(const char *path, exchange_file *out, error *err);

/*
 * exchange_fit - the weights of a model out of a file
 *   w  out  n_weights
 * false with err (user), which names the first array that is missing, of another shape, not finite, or that the model
 * has no place for; num_batches_tracked of a batch norm may be there or not.  Not collective.
 */
bool exchange_fit(const exchange_file *file, const char *path, const model *of, float *w,
                  error *err);

/* A model that comes from elsewhere. */
typedef struct exchange_import {
    const char *from; /* the file it comes from */
    const model *of;
    const char *text;                              /* its model file */
    const char *text_path;                         /* where that is put, too, or NULL */
    const char *model_name;                        /* where that comes from */
    const char *normalise;                         /* "half", or numbers */
    const char (*class_names)[RECORD_CLASS_BYTES]; /* of->n_classes, or NULL: none are known */
    const float *w;                                /* n_weights */
} exchange_import;

/*
 * exchange_result - a result file of no rounds, with that model, whole or not at all; its option `imported` says from where
 * A model file is put in its place when the result has only to be named.
 * Without force an existing file is never replaced.  false with err as record_create.  Not collective.
 */
bool exchange_result(const char *path, bool force, const exchange_import *what, error *err);

/* ---- formats ----------------------------------------------------------------------------------- */

enum { EXCHANGE_HEAD_BYTES = 64 };

typedef struct exchange_format {
    const char *name;   /* "safetensors" */
    const char *suffix; /* ".safetensors" */
    /* recognises - are these the first n <= EXCHANGE_HEAD_BYTES bytes of such a file, which has n_bytes? */
    bool (*recognises)(const uint8_t *head, size_t n, uint64_t n_bytes);
    /* write - the whole file; false with err: what the format has no word for (user), memory, disk (environment) */
    bool (*write)(const exchange_model *from, const exchange_out *out, error *err);
    /* read - the whole file; `out` is zeroed; false with err as exchange_read, and `out` is released by the caller */
    bool (*read)(const char *path, exchange_file *out, error *err);
} exchange_format;

/* exchange_formats - all of them, NULL-terminated */
extern const exchange_format *const exchange_formats[];

/* exchange_format_of - by the suffix of a file's name; NULL with err (user), which lists them */
const exchange_format *exchange_format_of(const char *path, error *err);

/*
 * exchange_write - a file of the format that its name says, whole or not at all
 * Without force an existing file is never replaced.  false with err: as exchange_format_of, as record_create, as the
 * format's write.  Not collective.
 */
bool exchange_write(const exchange_model *from, const char *path, bool force, error *err);

/* exchange_write_text - a file of text, likewise; for a model file that was made of a graph */
bool exchange_write_text(const char *path, bool force, const char *text, error *err);

/* ---- for formats ------------------------------------------------------------------------------- */

/*
 * exchange_pairs - what a file says besides weights, as strings: program, model (the model file), normalise,
 *                  class_names (a JSON list), input (channels height width)
 *                  false with err: a name or text that is no UTF-8 (user), memory
 * exchange_pairs_get - the same out of a file, one pair; a name that is none of these is passed over; false with err
 *                  (user): no list of at most MODEL_MAX_CLASSES names of less than RECORD_CLASS_BYTES bytes, no
 *                  normalisation, a model file that is too long
 */
enum { EXCHANGE_PAIRS = 5 };
typedef struct exchange_pair {
    const char *name;
    char *value; /* memory_free it */
} exchange_pair;
extern const char *const exchange_pair_names[]; /* NULL-terminated */
bool exchange_pairs(const exchange_model *from, exchange_pair pairs[EXCHANGE_PAIRS], error *err);
void exchange_pairs_release(exchange_pair pairs[EXCHANGE_PAIRS]);
bool exchange_pairs_get(exchange_file *to, const char *name, const char *value, error *err);

/*
 * exchange_list - all that a state_dict has, in its order: the values are the model's own, and each batch norm has its
 *                 num_batches_tracked, a single whole number without values (it is 0: nobody counts)
 * Returns n of them, memory_free it; NULL with err: memory.
 * exchange_is_counter - is this the name of one of the latter?
 */
exchange_array *exchange_list(const exchange_model *from, size_t *n, error *err);
bool exchange_is_counter(const model *of, const char *name);

/* Numbers as files have them, little-endian, and the only ones that are read. */
enum exchange_number { EXCHANGE_F32, EXCHANGE_F16, EXCHANGE_BF16, EXCHANGE_F64, EXCHANGE_NUMBERS };

/* exchange_number_bytes - of one;  exchange_floats - n of them, each rounded to the nearest float */
size_t exchange_number_bytes(enum exchange_number type);
void exchange_floats(enum exchange_number type, const uint8_t *from, size_t n, float *to);

/*
 * exchange_load - a whole regular file of at most EXCHANGE_MAX_BYTES; memory_free it
 * exchange_load_head - its first EXCHANGE_HEAD_BYTES bytes, or as many as there are, and how many it has
 * NULL, or false, with err: no such file, too large (user), memory, a failure of the disk (environment).
 */
#define EXCHANGE_MAX_BYTES 4294967296U
uint8_t *exchange_load(const char *path, size_t *n, error *err);
bool exchange_load_head(const char *path, uint8_t head[EXCHANGE_HEAD_BYTES], size_t *n,
                        uint64_t *n_bytes, error *err);

/* exchange_refuse_pickle - false with err (user): what one of Python's pickles is, and the way out */
bool exchange_refuse_pickle(const char *path, error *err);

#endif
