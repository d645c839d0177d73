/* A folder of pictures, with a folder for each class; train and test above those, or neither. */
#include "base/memory.h"
#include "data/folder_list.h"
#include "data/picture.h"
#include "labelled.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, MAX_PICTURES = 1 << 24, MAX_SIDE = 4096, LOOKED_AT = 64 };
enum { DEFAULT_SIDE = 32, DEFAULT_CHANNELS = 3 };

/* ---- what was asked for ------------------------------------------------------------------------ */

/* Cuts ":HxW" or ":HxWxC" off the end. */
static void cut_shape(char *spec, image_shape *shape)
{
    int height, width, channels = DEFAULT_CHANNELS, used = 0, all = 0;
    char *colon = strrchr(spec, ':');
    *shape = (image_shape){DEFAULT_CHANNELS, DEFAULT_SIDE, DEFAULT_SIDE, 0};
    if (!colon || !isdigit((unsigned char)colon[1]) ||
        sscanf(colon + 1, "%5dx%5d%nx%1d%n", &height, &width, &used, &channels, &all) < 2 ||
        strlen(colon + 1) != (size_t)(all ? all : used))
        return;
    *colon = '\0';
    *shape = (image_shape){channels, height, width, 0};
}

static bool check_shape(const image_shape *shape, error *err)
{
    if (shape->height >= 1 && shape->height <= MAX_SIDE && shape->width >= 1 &&
        shape->width <= MAX_SIDE && (shape->channels == 1 || shape->channels == 3))
        return true;
    return error_user(
        err, "folder:...:%dx%dx%d: expected HEIGHTxWIDTH, 1 to %d each, and x1 for grey or x3",
        shape->height, shape->width, shape->channels, MAX_SIDE);
}

/* ---- pictures ---------------------------------------------------------------------------------- */

typedef struct pictures {
    char *root;   /* with a slash behind it */
    char **names; /* below it */
    size_t n;
} pictures;

static bool path_of(const pictures *self, uint32_t place, char path[PATH_BYTES], error *err)
{
    int n = snprintf(path, PATH_BYTES, "%s%s", self->root, self->names[place]);
    return (n > 0 && n < PATH_BYTES) || error_user(err, "%.100s...: the name is too long", path);
}

static bool fetch(void *state, image_shape shape, const uint32_t *places, size_t n, uint8_t *images,
                  error *err)
{
    char path[PATH_BYTES];
    bool good = true;
    for (size_t i = 0; good && i < n; i++)
        good = path_of(state, places[i], path, err) &&
               picture_load(path, shape, images + i * image_bytes(shape), err);
    return good;
}

static void close_pictures(void *state)
{
    pictures *self = state;
    for (size_t i = 0; self->names && i < self->n; i++)
        memory_free(self->names[i]);
    memory_free(self->names);
    memory_free(self->root);
    memory_free(self);
}

/* ---- folders ----------------------------------------------------------------------------------- */

static bool join(char path[PATH_BYTES], const char *folder, const char *name, error *err)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return (n > 0 && n < PATH_BYTES) || error_user(err, "%.100s...: the name is too long", folder);
}

/* Takes the names of the pictures of a class over. */
static bool add_class(labelled_set *set, pictures *to, const char *class, folder_list *found,
                      uint16_t label, error *err)
{
    char **names = memory_new(to->n + found->n, sizeof *names, err);
    uint16_t *labels = names ? memory_new(to->n + found->n, sizeof *labels, err) : NULL;
    if (!labels) {
        memory_free(names);
        return false;
    }
    if (to->n > 0) {
        memcpy(names, to->names, to->n * sizeof *names);
        memcpy(labels, set->labels, to->n * sizeof *labels);
    }
    memory_free(to->names);
    memory_free(set->labels);
    to->names = names;
    set->labels = labels;
    for (size_t i = 0; i < found->n; i++) {
        size_t length = strlen(class) + strlen(found->names[i]) + 2;
        char *name = memory_new(length, 1, err);
        if (!name)
            return false;
        snprintf(name, length, "%s/%s", class, found->names[i]);
        to->names[to->n] = name;
        set->labels[to->n++] = label;
    }
    set->n = to->n;
    return true;
}

/* The label of a class is its place among those for training. */
static bool find_class(const folder_list *classes, const char *name, const char *folder,
                       uint16_t *label, error *err)
{
    for (size_t c = 0; c < classes->n; c++)
        if (strcmp(classes->names[c], name) == 0) {
            *label = (uint16_t)c;
            return true;
        }
    return error_user(err, "%s/%s: a class that there is no folder of for training", folder, name);
}

static bool list_class(labelled_set *set, const char *folder, const char *class, uint16_t label,
                       error *err)
{
    char path[PATH_BYTES];
    folder_list found;
    pictures *to = set->from;
    if (!join(path, folder, class, err) ||
        !folder_list_init(&found, path, FOLDER_PICTURES, MAX_PICTURES - to->n, err))
        return false;
    bool good =
        found.n > 0 || error_user(err, "%s: a class without a PNG, JPEG or BMP picture", path);
    good = good && add_class(set, to, class, &found, label, err);
    folder_list_release(&found);
    return good;
}

/* All pictures below a folder of classes. */
static bool list_set(labelled_set *set, const char *folder, const folder_list *known, error *err)
{
    folder_list classes;
    pictures *to = memory_new(1, sizeof *to, err);
    if (!to)
        return false;
    set->from = to;
    set->fetch = fetch;
    set->close = close_pictures;
    to->root = memory_new(strlen(folder) + 2, 1, err);
    if (!to->root || !folder_list_init(&classes, folder, FOLDER_FOLDERS, SOURCE_MAX_CLASSES, err))
        return false;
    sprintf(to->root, "%s/", folder);
    bool good = classes.n > 0 ||
                error_user(err, "%s: has no folders, of which each class should be one", folder);
    for (size_t c = 0; good && c < classes.n; c++) {
        uint16_t label = 0;
        good = find_class(known, classes.names[c], folder, &label, err) &&
               list_class(set, folder, classes.names[c], label, err);
    }
    folder_list_release(&classes);
    return good;
}

/* Names that are the same once they are cut follow each other. */
static bool name_classes(labelled *self, const char *folder, const folder_list *classes, error *err)
{
    for (size_t c = 0; c < classes->n; c++) {
        const char *name = classes->names[c], *last = NULL;
        if (!labelled_name(self, (int)c, name, strlen(name), err))
            return false;
        if (c > 0)
            last = labelled_class_name(self, (int)c - 1);
        if (last && labelled_class_name(self, (int)c) &&
            strcmp(last, labelled_class_name(self, (int)c)) == 0)
            return error_user(err,
                              "%s: two classes, %s and %s, begin alike, and a name has at most %d "
                              "bytes: rename one",
                              folder, classes->names[c - 1], name, SOURCE_NAME_BYTES - 1);
    }
    return true;
}

static bool list_all(labelled *self, const char *train, const char *test, error *err)
{
    folder_list classes;
    if (!folder_list_init(&classes, train, FOLDER_FOLDERS, SOURCE_MAX_CLASSES, err))
        return false;
    self->shape.n_classes = (int)classes.n;
    bool good = list_set(&self->sets[SPLIT_TRAIN], train, &classes, err) &&
                (!test || list_set(&self->sets[SPLIT_TEST], test, &classes, err)) &&
                name_classes(self, train, &classes, err);
    folder_list_release(&classes);
    return good && labelled_finish(self, err);
}

/* ---- the data set ------------------------------------------------------------------------------ */

static bool is_there(const char *path)
{
    struct stat is;
    return stat(path, &is) == 0 && S_ISDIR(is.st_mode);
}

/* The folders of both splits; the second empty where there is none. */
static bool find_splits(const char *folder, char train[PATH_BYTES], char test[PATH_BYTES],
                        error *err)
{
    static const char *const names[] = {"test", "val", "valid", "validation"};
    *test = '\0';
    if (!join(train, folder, "train", err))
        return false;
    if (!is_there(train)) {
        strcpy(train, folder);
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (join(test, folder, names[i], NULL) && is_there(test))
            return true;
    return error_user(err, "%s: has a folder train, but none for testing (test or val)", folder);
}

static bool claims(const char *spec)
{
    char folder[PATH_BYTES], train[PATH_BYTES], test[PATH_BYTES], path[PATH_BYTES];
    image_shape shape;
    folder_list classes;
    if (strlen(spec) >= sizeof folder)
        return false;
    strcpy(folder, spec);
    cut_shape(folder, &shape);
    (void)find_splits(folder, train, test, NULL); /* what is missing is said when it is opened */
    if (!folder_list_init(&classes, train, FOLDER_FOLDERS, SOURCE_MAX_CLASSES, NULL))
        return false;
    bool found = false;
    for (size_t c = 0; c < classes.n && c < LOOKED_AT && !found; c++)
        found = join(path, train, classes.names[c], NULL) &&
                folder_list_has(path, FOLDER_PICTURES, LOOKED_AT);
    folder_list_release(&classes);
    return found;
}

static void *open_folder(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                         error *err)
{
    (void)seed;
    char folder[PATH_BYTES], train[PATH_BYTES], test[PATH_BYTES];
    if (strlen(spec) >= sizeof folder) {
        error_user(err, "%.100s...: the name is too long", spec);
        return NULL;
    }
    labelled *self = labelled_new(err);
    strcpy(folder, spec);
    if (self)
        cut_shape(folder, &self->shape);
    if (self && check_shape(&self->shape, err) && find_splits(folder, train, test, err) &&
        list_all(self, train, *test ? test : NULL, err))
        return labelled_opened(self, shape, count);
    labelled_free(self);
    return NULL;
}

/* Pictures of any size, made one size. */
const source_kind source_folder = {
    .name = "folder",
    .claims = claims,
    .open = open_folder,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};
