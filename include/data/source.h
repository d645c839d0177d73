/*
 * source.h - labelled images, wherever they come from
 *
 * A source is opened on rank 0 alone, which reads it piece by piece and sends the pieces on: nobody needs
 * the whole training set in memory.
 *
 * To add a data set: one file in src/data with a `source_kind`, one line in src/data/source.c.
 */
#ifndef BRAMBLE_DATA_SOURCE_H
#define BRAMBLE_DATA_SOURCE_H

#include "base/error.h"
#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum split { SPLIT_TRAIN = 0, SPLIT_TEST = 1 };

/* What a source may hold at most; the images of a split are numbered by 32 bits. */
enum { SOURCE_MAX_CLASSES = 1 << 16, SOURCE_MAX_IMAGE_BYTES = 1 << 24, SOURCE_NAME_BYTES = 64 };

typedef struct source source;

/*
 * source_open - make a data set ready for reading, and check what can be checked without reading all
 *   spec  in  "KIND:" and what that kind takes, or a file or folder whose kind is seen by what is in it;
 *             docs/data.md has them all
 *   seed  in  for generated data; files ignore it
 * Returns NULL with err (user): no such folder, a file missing, or of the wrong size, two classes of one name; the
 * line names the file and what it should be.  Not collective.
 */
source *source_open(const char *spec, uint64_t seed, error *err);

/* source_free - close it; NULL is legal */
void source_free(source *self);

/* source_kind_name - "cifar10" */
const char *source_kind_name(const source *self);

/* source_shape, source_count - what it holds: at least one image of each split, fewer than 2^32 */
image_shape source_shape(const source *self);
size_t source_count(const source *self, enum split split);

/* source_class_name - of class c: "airplane", or "class 3" where it has no name; NULL past the last */
const char *source_class_name(const source *self, int c);

/*
 * source_beyond - where the first label of n_classes or more stands, in words, "label 10 of training image 3"
 *   text  out  "": there is none, or it is not by its labels that the kind counts classes
 * Images are counted in files' order.  Not collective.
 */
enum { SOURCE_BEYOND_BYTES = 80 };
void source_beyond(const source *self, int n_classes, char text[SOURCE_BEYOND_BYTES]);

/*
 * source_read - copy images first .. first + n - 1 of a split, in file order
 *   images  out  n * channels * height * width bytes; NULL: labels alone
 *   labels  out  n, each checked to be below n_classes
 * Returns false with err: a label out of range (user; file or spec, image and label named), a short or
 * failed read (environment).  first + n <= source_count.  Not collective, one thread at a time.
 */
bool source_read(source *self, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err);

/* ---- for those who add a data set -------------------------------------------------------------- */

/*
 * A kind of data set.  Files may hold anything: what they say is checked before it is used, and no size is
 * believed that the file's own length does not bear out.  An error is one line that names the file and what
 * was expected: error_user for what the user can mend (a wrong folder, a damaged file), error_environment
 * for memory and disk.  Nothing is printed.  What is common to all is checked by source_open (shape, counts,
 * number of classes) and source_read (labels).
 */
typedef struct source_kind {
    const char *name; /* "cifar10"; "cifar10:DIR" is this kind, and DIR its spec */
    /*
     * claims - whether a spec without the name of a kind is meant for this one: a look at what is there
     * Kinds are asked in the order of the list in source.c; the first that claims it has it.  NULL: only by name.
     */
    bool (*claims)(const char *spec);
    /*
     * open - check what can be checked without reading all
     *   shape  out  of every image, and the number of classes
     *   count  out  images of each split
     * Returns the kind's own state, released by close; NULL with err, and then nothing is left open.
     */
    void *(*open)(const char *spec, uint64_t seed, image_shape *shape, size_t count[2], error *err);
    /* read - as source_read; first + n is within the split, images may be NULL */
    bool (*read)(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err);
    /* class_name - of class c < n_classes, letters of utf8.h; NULL: it has none.  Cut to SOURCE_NAME_BYTES - 1 */
    const char *(*class_name)(const void *state, int c);
    /* beyond - as source_beyond; NULL: classes are counted otherwise */
    void (*beyond)(const void *state, int n_classes, char text[SOURCE_BEYOND_BYTES]);
    void (*close)(void *state);
} source_kind;

/* source_kinds - all kinds in the order in which they are asked, NULL-terminated */
extern const source_kind *const source_kinds[];

/* source_open_as - as source_open, for a kind that need not be in the list, and is not asked whether it claims spec */
source *source_open_as(const source_kind *kind, const char *spec, uint64_t seed, error *err);

#endif
