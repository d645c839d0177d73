/*
 * labelled.h - a data set whose labels are in memory, and whose images are fetched where they lie
 *
 * Private to src/data.  What kinds of files have in common: a kind opens its files and fills in a
 * `labelled`, and the rest of its source_kind are the functions here.
 */
#ifndef BRAMBLE_DATA_LABELLED_H
#define BRAMBLE_DATA_LABELLED_H

#include "data/bytes.h"
#include "data/source.h"

/* Images that lie one behind the other: their bytes and labels. */
typedef struct labelled_set {
    size_t n;
    uint16_t *labels; /* owned */
    void *from;       /* what fetch and close get; NULL: none */
    /*
     * fetch - copy n images, channels first, rows from the top
     *   places  in  increasing, below n of the set
     */
    bool (*fetch)(void *from, image_shape shape, const uint32_t *places, size_t n, uint8_t *images,
                  error *err);
    void (*close)(void *from);
} labelled_set;

typedef struct labelled {
    image_shape shape; /* of all; n_classes: labelled_finish, where 0 */
    labelled_set
        sets[2]; /* for training and for testing; the second has n = 0: the first is both */
    char (*names)[SOURCE_NAME_BYTES]; /* of n_classes; "" or NULL: none; owned */
    uint32_t *places[2]; /* of the images of each split, where one set is both; owned */
    size_t count[2];
} labelled;

/* How the bytes of an image lie: [channel][row][column], [row][column][channel], or [channel][column][row]. */
enum labelled_layout { LAYOUT_PLANES, LAYOUT_PIXELS, LAYOUT_COLUMNS };

/*
 * labelled_new - an empty one; labelled_free releases it and all that was put into it, NULL is legal
 * Returns NULL with err (environment).
 */
labelled *labelled_new(error *err);
void labelled_free(void *state);

/*
 * labelled_from_bytes - images of a set from bytes
 *   from    in  owned by the set from here on, also after a failure
 *   at      in  place of the first image;  stride: from one to the next
 * Returns false with err (environment).
 */
bool labelled_from_bytes(labelled_set *set, bytes *from, uint64_t at, size_t stride,
                         enum labelled_layout layout, error *err);

/* labelled_turn - from a layout to planes of rows; image and to do not overlap */
void labelled_turn(enum labelled_layout layout, image_shape shape, const uint8_t *image,
                   uint8_t *to);

/*
 * labelled_finish - count what there is: splits, and classes where the shape says none (the largest label + 1)
 * One set for both is split here: a sixth of each class, rounded, drawn by no seed of the user's, is for
 * testing, so that a model is never tested on what another run trained on.
 * Returns false with err (environment).
 */
bool labelled_finish(labelled *self, error *err);

/* labelled_opened - what source_kind.open returns: *shape and *count filled in; NULL is passed on */
void *labelled_opened(labelled *self, image_shape *shape, size_t count[2]);

/*
 * labelled_take_name - the name that a text of some length gives, cut to fit after a letter
 * Returns false: none, for it is empty, no UTF-8, has control characters, or a blank at an end.
 */
bool labelled_take_name(char to[SOURCE_NAME_BYTES], const char *text, size_t length);

/* labelled_name - name class c; a text that gives no name leaves it without.  false with err (environment) */
bool labelled_name(labelled *self, int c, const char *text, size_t length, error *err);

/*
 * labelled_names_file - the names of the first n classes from a text, a line each; no such file: none are named
 * Returns false with err (environment).
 */
bool labelled_names_file(labelled *self, const char *path, int n, error *err);

/* ---- as in source_kind ------------------------------------------------------------------------- */
bool labelled_read(void *self, enum split split, size_t first, size_t n, uint8_t *images,
                   uint16_t *labels, error *err);
const char *labelled_class_name(const void *state, int c);
void labelled_beyond(const void *state, int n_classes, char text[SOURCE_BEYOND_BYTES]);

#endif
