#include "direct.h"
#include "hdf.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct listing {
    hid_t file;
    const char *path;
    FILE *out;
    size_t left; /* numbers that may still come */
    error *err;
} listing;

static bool put(const listing *self, const void *from, size_t size, size_t n)
{
    return fwrite(from, size, n, self->out) == n ||
           error_environment(self->err, "%s: what is read of it cannot be handed on", self->path);
}

static bool check_type(const listing *self, const char *name, const hdf_shape *shape, bool *floats)
{
    size_t n = shape->element_bytes;
    *floats = shape->class == H5T_FLOAT;
    if (!*floats && shape->class != H5T_INTEGER)
        return error_user(self->err, "%s: %s holds no numbers", self->path, name);
    if (*floats && n != 2 && n != 4 && n != 8)
        return error_user(self->err, "%s: %s holds numbers of %zu bits; 16, 32 and 64 are read",
                          self->path, name, 8 * n);
    return true;
}

static bool put_values(listing *self, hid_t dataset, const char *name, const hdf_shape *shape)
{
    char cause[HDF_CAUSE_BYTES];
    size_t n = shape->n_elements;
    if (n > self->left)
        return error_user(self->err, "%s: holds more than %d numbers", self->path,
                          RECORD_NAMED_COUNT);
    self->left -= n;
    float *values = memory_new(n, sizeof *values, self->err);
    bool good = values && hdf_check_written(dataset, self->path, name, shape, self->err);
    if (good && n > 0 &&
        H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        good =
            error_user(self->err, "%s: %s cannot be read: %s", self->path, name, hdf_cause(cause));
    good = good && put(self, values, sizeof *values, n);
    memory_free(values);
    return good;
}

static bool put_array(listing *self, const char *name)
{
    direct_array_head head = {.kind = DIRECT_ARRAY};
    hdf_shape shape;
    char path[RECORD_NAMED_BYTES + 1];
    snprintf(path, sizeof path, "/%s", name);
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return false;
    bool floats = false, good = check_type(self, name, &shape, &floats);
    head.floats = floats;
    strcpy(head.name, name);
    head.n_dims = shape.n_dims;
    for (int i = 0; i < shape.n_dims; i++)
        head.dims[i] = shape.dims[i];
    good = good && put(self, &head, sizeof head, 1) &&
           (!head.floats || put_values(self, dataset, name, &shape));
    hdf_close(dataset);
    return good;
}

static ssize_t name_of_link(hid_t group, hsize_t i, char name[RECORD_NAMED_BYTES])
{
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i, name,
                                        RECORD_NAMED_BYTES, H5P_DEFAULT);
    if (length < 0)
        length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name,
                                    RECORD_NAMED_BYTES, H5P_DEFAULT);
    return length;
}

static bool put_arrays(listing *self)
{
    H5G_info_t info = {0};
    hid_t root = hdf_open_object(self->file, self->path, "/", self->err);
    if (root < 0)
        return false;
    bool good =
        (H5Gget_info(root, &info) >= 0 && info.nlinks <= RECORD_NAMED_MAX) ||
        error_user(self->err, "%s: holds more than %d arrays", self->path, RECORD_NAMED_MAX);
    for (hsize_t i = 0; good && i < info.nlinks; i++) {
        char name[RECORD_NAMED_BYTES];
        ssize_t length = name_of_link(root, i, name);
        good = length > 0 && length < RECORD_NAMED_BYTES
                   ? put_array(self, name)
                   : error_user(self->err, "%s: holds a name that is too long", self->path);
    }
    hdf_close(root);
    return good;
}

static bool put_pairs(const listing *self, const char *const *names)
{
    hid_t root = hdf_open_object(self->file, self->path, "/", self->err);
    bool good = root >= 0;
    for (; good && *names; names++) {
        direct_array_head head = {.kind = DIRECT_PAIR};
        char *value = hdf_read_text(root, *names, RECORD_PAIR_BYTES);
        if (!value)
            continue;
        snprintf(head.name, sizeof head.name, "%s", *names);
        head.dims[0] = strlen(value);
        good = put(self, &head, sizeof head, 1) && put(self, value, 1, head.dims[0]);
        memory_free(value);
    }
    hdf_close(root);
    return good;
}

bool direct_read_arrays(const char *path, const char *const *pair_names, FILE *out, error *err)
{
    size_t n_bytes;
    listing self = {.path = path, .out = out, .left = RECORD_NAMED_COUNT, .err = err};
    self.file = hdf_open(path, &n_bytes, err);
    if (self.file < 0)
        return false;
    bool good = put_pairs(&self, pair_names) && put_arrays(&self) &&
                hdf_check_size(self.file, path, n_bytes, err);
    hdf_close(self.file);
    return good;
}
