/*
 * listing.h - the pictures that are named: files, and folders of them
 */
#ifndef BRAMBLE_PREDICT_LISTING_H
#define BRAMBLE_PREDICT_LISTING_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { LISTING_DEPTH = 4, LISTING_MOST = 1 << 24 };

typedef struct listing {
    char **paths;
    uint16_t *labels; /* of the class folder that a picture is from; else 0 */
    size_t n, room;
} listing;

/*
 * listing_add - a file, whatever it is; or the pictures in a folder, and in folders within it down to LISTING_DEPTH,
 *               those of a folder first, by name
 * Returns false with err: a folder without pictures or that cannot be opened, too many (user); memory.
 * listing_release frees it, also after failure; begins with {0}.  Not collective.
 */
bool listing_add(listing *self, const char *path, error *err);

/*
 * listing_add_classes - the pictures in a folder's folders, each named as a class
 *   name  in  of class c, below n_classes; `of` is passed on
 * Returns false with err: as above; a folder of no class, a class folder without pictures (user).
 */
typedef const char *listing_name(const void *of, int c);
bool listing_add_classes(listing *self, const char *folder, listing_name *name, const void *of,
                         int n_classes, error *err);
void listing_release(listing *self);

#endif
