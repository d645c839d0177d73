/* HDF5 files of anybody's, and those that `bramble data pack` writes. */
#include "arrays.h"
#include "base/memory.h"
#include "record/images.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const char class_names[] = "class_names";

static bool claims(const char *spec)
{
    char path[PATH_BYTES], magic[8] = "";
    if (strlen(spec) >= sizeof path)
        return false;
    strcpy(path, spec);
    arrays_cut_names(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_one = fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic &&
                  memcmp(magic, "\x89HDF\r\n\x1a\n", sizeof magic) == 0;
    if (fd >= 0)
        close(fd);
    return is_one;
}

/* ---- arrays ------------------------------------------------------------------------------------ */

static bool has(void *state, const char *name)
{
    record_array what;
    error unseen = {0}; /* what is there and no array is described as such later */
    return !record_array_describe(state, name, &what, &unseen) || what.is_there;
}

static bool describe(void *state, const char *name, array *what, error *err)
{
    record_array found;
    if (!record_array_describe(state, name, &found, err))
        return false;
    *what = (array){.n_dims = found.n_dims, .is_bytes = found.is_bytes, .is_whole = found.is_whole};
    snprintf(what->name, sizeof what->name, "%s", name);
    snprintf(what->type, sizeof what->type, "%s", found.type);
    for (int i = 0; i < ARRAY_MAX_DIMS; i++)
        what->dims[i] = found.dims[i];
    return found.is_there || error_user(err, "%s: has no array %s", (const char *)state, name);
}

static bool labels(void *state, const array *what, int64_t *out, error *err)
{
    record_wanted wanted = {state,       what->name, RECORD_WHOLE,
                            sizeof *out, NULL,       (size_t)what->dims[0]};
    return record_array_read(&wanted, out, err);
}

/* ---- images ------------------------------------------------------------------------------------ */

typedef struct holder {
    char path[PATH_BYTES], name[ARRAY_NAME_BYTES];
    enum labelled_layout layout;
    uint8_t *image; /* as it lies there */
} holder;

static bool fetch(void *state, image_shape shape, const uint32_t *places, size_t n, uint8_t *images,
                  error *err)
{
    holder *self = state;
    size_t n_bytes = image_bytes(shape);
    record_wanted wanted = {self->path, self->name, RECORD_BYTES, n_bytes, places, n};
    if (!record_array_read(&wanted, images, err))
        return false;
    for (size_t i = 0; i < n && self->image; i++) {
        memcpy(self->image, images + i * n_bytes, n_bytes);
        labelled_turn(self->layout, shape, self->image, images + i * n_bytes);
    }
    return true;
}

static void close_holder(void *state)
{
    holder *self = state;
    memory_free(self->image);
    memory_free(self);
}

static bool images(void *state, const array *what, image_shape shape, enum labelled_layout layout,
                   labelled_set *set, error *err)
{
    holder *self = memory_new(1, sizeof *self, err);
    if (!self)
        return false;
    strcpy(self->path, state);
    strcpy(self->name, what->name);
    self->layout = layout;
    set->from = self;
    set->fetch = fetch;
    set->close = close_holder;
    if (layout == LAYOUT_PLANES)
        return true;
    return (self->image = memory_new(image_bytes(shape), 1, err)) != NULL;
}

/* ---- the data set ------------------------------------------------------------------------------ */

static bool refuse_few(const labelled *self, const char *path, uint64_t n, error *err)
{
    char beyond[SOURCE_BEYOND_BYTES] = "";
    labelled_beyond(self, (int)n, beyond);
    return error_user(err, "%s: %s has %llu name%s for %d classes; %s is the first without one",
                      path, class_names, (unsigned long long)n, n == 1 ? "" : "s",
                      self->shape.n_classes, beyond);
}

/* More names than labels tell of: classes of which there is no image. */
static bool name_classes(labelled *self, const char *path, error *err)
{
    record_array what;
    if (!record_array_describe(path, class_names, &what, err))
        return false;
    if (!what.is_there || !what.is_text || what.n_dims != 1 || what.dims[0] > SOURCE_MAX_CLASSES)
        return true;
    if (what.dims[0] < (uint64_t)self->shape.n_classes)
        return refuse_few(self, path, what.dims[0], err);
    size_t n = (size_t)what.dims[0];
    char(*names)[RECORD_CLASS_BYTES] = memory_new(n, sizeof *names, err);
    record_wanted wanted = {path, class_names, RECORD_NAMES, sizeof *names, NULL, n};
    bool good = names && record_array_read(&wanted, names, err);
    self->shape.n_classes = (int)n;
    for (size_t c = 0; good && c < n; c++)
        good = labelled_name(self, (int)c, names[c], strnlen(names[c], sizeof names[c]), err);
    memory_free(names);
    return good;
}

static void *open_hdf5(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                       error *err)
{
    (void)seed;
    char path[PATH_BYTES];
    record_array none;
    if (strlen(spec) >= sizeof path) {
        error_user(err, "%.100s...: the name is too long", spec);
        return NULL;
    }
    strcpy(path, spec);
    const char *names = arrays_cut_names(path);
    array_file file = {path, path, has, describe, labels, images};
    labelled *self = NULL;
    if (record_array_describe(path, class_names, &none, err)) /* is it an HDF5 file? */
        self = arrays_open(&file, names, err);
    if (self && !name_classes(self, path, err)) {
        labelled_free(self);
        self = NULL;
    }
    return labelled_opened(self, shape, count);
}

/* Arrays in an HDF5 file. */
const source_kind source_hdf5 = {
    .name = "hdf5",
    .claims = claims,
    .open = open_hdf5,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .beyond = labelled_beyond,
    .close = labelled_free,
};
