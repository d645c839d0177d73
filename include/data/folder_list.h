/*
 * folder_list.h - what is in a folder
 */
#ifndef BRAMBLE_DATA_FOLDER_LIST_H
#define BRAMBLE_DATA_FOLDER_LIST_H

#include "base/error.h"

#include <stddef.h>

/* Names, in the order of their bytes. */
typedef struct folder_list {
    char **names;
    size_t n;
} folder_list;

/*
 * Pictures are what ends with .png, .jpg, .jpeg or .bmp, in any case, and regular files that begin as PNG, JPEG or BMP.
 * FOLDER_PICTURES: one of another kind, like GIF, is an error; FOLDER_ALL_PICTURES: it is listed, too.
 */
enum folder_entry { FOLDER_FOLDERS, FOLDER_PICTURES, FOLDER_ALL_PICTURES };

/*
 * folder_list_init - the folders or the pictures in a folder, but for those whose name begins with a point
 *   most  in  no more than these: more are an error (user)
 * Returns false with err: there is no such folder, a picture of a kind that cannot be read, a file that cannot be looked
 * at (user), or memory is out; then nothing is to be released.
 */
bool folder_list_init(folder_list *self, const char *path, enum folder_entry what, size_t most,
                      error *err);
void folder_list_release(folder_list *self);

/* folder_list_has - is there such an entry, readable or not?  Looks at `most` entries. */
bool folder_list_has(const char *path, enum folder_entry what, size_t most);

#endif
