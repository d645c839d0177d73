#include "predict/listing.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "data/folder_list.h"
#include "record/images.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static bool add(listing *self, const char *path, uint16_t label, error *err)
{
    if (self->n == LISTING_MOST)
        return error_user(err, "%s: more than %d pictures", path, LISTING_MOST);
    if (self->n == self->room) {
        size_t room = 2 * self->room + 64;
        char **paths = memory_new(room, sizeof *paths, err);
        uint16_t *labels = paths ? memory_new(room, sizeof *labels, err) : NULL;
        if (!labels) {
            memory_free(paths);
            return false;
        }
        for (size_t i = 0; i < self->n; i++) {
            paths[i] = self->paths[i];
            labels[i] = self->labels[i];
        }
        memory_free(self->paths);
        memory_free(self->labels);
        self->paths = paths;
        self->labels = labels;
        self->room = room;
    }
    char *copy = memory_new(strlen(path) + 1, 1, err);
    if (!copy)
        return false;
    strcpy(copy, path);
    self->labels[self->n] = label;
    self->paths[self->n++] = copy;
    return true;
}

/* Slashes at a folder's end are no part of its name. */
static bool join(char path[PATH_BYTES], const char *folder, const char *name, error *err)
{
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    const char *between = length > 0 && folder[length - 1] == '/' ? "" : "/";
    int n = snprintf(path, PATH_BYTES, "%.*s%s%s", (int)length, folder, between, name);
    return (n > 0 && n < PATH_BYTES) || error_user(err, "%.100s...: the name is too long", folder);
}

static bool add_pictures(listing *self, const char *folder, uint16_t label, error *err)
{
    char path[PATH_BYTES];
    folder_list found;
    if (!folder_list_init(&found, folder, FOLDER_ALL_PICTURES, LISTING_MOST, err))
        return false;
    bool good = true;
    for (size_t i = 0; good && i < found.n; i++)
        good = join(path, folder, found.names[i], err) && add(self, path, label, err);
    folder_list_release(&found);
    return good;
}

static bool add_below(listing *self, const char *folder, int depth, error *err)
{
    char path[PATH_BYTES];
    folder_list found;
    if (!add_pictures(self, folder, 0, err))
        return false;
    if (depth == LISTING_DEPTH)
        return true;
    if (!folder_list_init(&found, folder, FOLDER_FOLDERS, LISTING_MOST, err))
        return false;
    bool good = true;
    for (size_t i = 0; good && i < found.n; i++)
        good = join(path, folder, found.names[i], err) && add_below(self, path, depth + 1, err);
    folder_list_release(&found);
    return good;
}

bool listing_add(listing *self, const char *path, error *err)
{
    struct stat is;
    size_t before = self->n;
    if (stat(path, &is) != 0 || !S_ISDIR(is.st_mode))
        return add(self, path, 0, err);
    return add_below(self, path, 1, err) &&
           (self->n > before ||
            error_user(err, "%s: no PNG, JPEG or BMP picture is in this folder", path));
}

static bool add_class(listing *self, const char *folder, const char *class, uint16_t label,
                      error *err)
{
    char path[PATH_BYTES];
    size_t before = self->n;
    return join(path, folder, class, err) && add_pictures(self, path, label, err) &&
           (self->n > before ||
            error_user(err, "%s: a class without a PNG, JPEG or BMP picture", path));
}

/* A name in a file is cut where it is long. */
static bool find_class(const char *class, listing_name *name, const void *of, int n_classes,
                       uint16_t *label)
{
    const size_t n = utf8_fit(class, strlen(class), RECORD_CLASS_BYTES - 1);
    for (int c = 0; c < n_classes; c++)
        if (strlen(name(of, c)) == n && memcmp(name(of, c), class, n) == 0) {
            *label = (uint16_t)c;
            return true;
        }
    return false;
}

bool listing_add_classes(listing *self, const char *folder, listing_name *name, const void *of,
                         int n_classes, error *err)
{
    folder_list found;
    uint16_t label = 0;
    if (!folder_list_init(&found, folder, FOLDER_FOLDERS, LISTING_MOST, err))
        return false;
    bool good = found.n > 0 ||
                error_user(err, "%s: has no folders, of which each class should be one", folder);
    for (size_t i = 0; good && i < found.n; i++)
        good = (find_class(found.names[i], name, of, n_classes, &label) ||
                error_user(err,
                           "%s/%s: the model knows no class of this name; it has %d, of which the "
                           "first is %s; --classes can name them anew",
                           folder, found.names[i], n_classes, name(of, 0))) &&
               add_class(self, folder, found.names[i], label, err);
    folder_list_release(&found);
    return good;
}

void listing_release(listing *self)
{
    for (size_t i = 0; i < self->n; i++)
        memory_free(self->paths[i]);
    memory_free(self->paths);
    memory_free(self->labels);
    *self = (listing){0};
}
