/* NumPy's npz: a zip file of arrays. */
#include "arrays.h"
#include "data/npy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LABELS_AT_ONCE = 4096, PATH_BYTES = 4096 };

typedef struct npz {
    zip *members;
    char path[PATH_BYTES];
} npz;

static bool claims(const char *spec)
{
    char path[PATH_BYTES], magic[4] = "";
    if (strlen(spec) >= sizeof path)
        return false;
    strcpy(path, spec);
    arrays_cut_names(path);
    size_t n = strlen(path);
    int fd = n > 4 && strcmp(path + n - 4, ".npz") == 0
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    bool is_zip =
        fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "PK", 2) == 0;
    if (fd >= 0)
        close(fd);
    return is_zip;
}

/* ---- arrays ------------------------------------------------------------------------------------ */

static bool open_member(const npz *self, const char *name, npy *out, array *what, error *err)
{
    if (!npy_open(out, self->members, self->path, name, err))
        return false;
    *what = (array){.n_dims = out->n_dims,
                    .is_whole = out->kind == 'u' || out->kind == 'i',
                    .is_bytes = out->kind == 'u' && out->element_bytes == 1};
    snprintf(what->name, sizeof what->name, "%s", name);
    snprintf(what->type, sizeof what->type, "%s", out->type);
    for (int i = 0; i < out->n_dims && i < ARRAY_MAX_DIMS; i++)
        what->dims[i] = out->dims[i];
    return true;
}

static bool has(void *state, const char *name)
{
    char file[ARRAY_NAME_BYTES + 8];
    snprintf(file, sizeof file, "%s.npy", name);
    return zip_has(((npz *)state)->members, file);
}

static bool describe(void *state, const char *name, array *what, error *err)
{
    npy opened;
    if (!open_member(state, name, &opened, what, err))
        return false;
    bytes_free(opened.from);
    return true;
}

static int64_t widen(const uint8_t *at, size_t n, bool is_signed)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | at[i];
    if (is_signed && n < 8 && value >> (8 * n - 1))
        value |= ~(uint64_t)0 << (8 * n);
    return !is_signed && value > INT64_MAX ? -1 : (int64_t)value;
}

static bool labels(void *state, const array *what, int64_t *out, error *err)
{
    npy opened;
    array again;
    uint8_t part[LABELS_AT_ONCE];
    if (!open_member(state, what->name, &opened, &again, err))
        return false;
    const size_t n_bytes = opened.element_bytes, n = (size_t)what->dims[0];
    bool good = again.dims[0] == n && again.is_whole && n_bytes > 0;
    if (!good)
        error_environment(err, "%s: changes while it is read", ((npz *)state)->path);
    for (size_t i = 0, k; good && i < n; i += k) {
        k = n - i < sizeof part / n_bytes ? n - i : sizeof part / n_bytes;
        good = bytes_read(opened.from, opened.start + i * n_bytes, part, k * n_bytes, err);
        for (size_t j = 0; good && j < k; j++)
            out[i + j] = widen(part + j * n_bytes, n_bytes, opened.kind == 'i');
    }
    bytes_free(opened.from);
    return good;
}

static bool images(void *state, const array *what, image_shape shape, enum labelled_layout layout,
                   labelled_set *set, error *err)
{
    npy opened;
    array again;
    return open_member(state, what->name, &opened, &again, err) &&
           labelled_from_bytes(set, opened.from, opened.start, image_bytes(shape), layout, err);
}

static void *open_npz(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                      error *err)
{
    (void)seed;
    npz self;
    if (strlen(spec) >= sizeof self.path) {
        error_user(err, "%.100s...: the name is too long", spec);
        return NULL;
    }
    strcpy(self.path, spec);
    const char *names = arrays_cut_names(self.path);
    self.members = zip_open(self.path, err);
    array_file file = {&self, self.path, has, describe, labels, images};
    labelled *opened = self.members ? arrays_open(&file, names, err) : NULL;
    zip_free(self.members);
    return labelled_opened(opened, shape, count);
}

/* Arrays of NumPy's. */
const source_kind source_npz = {
    .name = "npz",
    .claims = claims,
    .open = open_npz,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .beyond = labelled_beyond,
    .close = labelled_free,
};
