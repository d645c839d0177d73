#include "direct.h"

#include "dataset.h"

#include "base/child.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 4096, PATH_BYTES = 256 };

typedef struct source {
    const char *path, *group;
    hid_t file;
    size_t n_bytes, left; /* of the file; of all columns together, which may be packed */
    record_values_list *out;
    error *err;
} source;

/* Its values are the list's from here on. */
static bool keep(source *self, const record_values *one)
{
    if (self->out->n < DIRECT_MAX_VALUES) {
        self->out->all[self->out->n++] = *one;
        return true;
    }
    memory_free(one->values);
    return error_user(self->err, "%s: %s holds too much", self->path, self->group);
}

static bool read_attribute(source *self, hid_t group, hsize_t i)
{
    record_values one = {.type = RECORD_TEXT, .n = 1};
    ssize_t length = H5Aget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, one.name,
                                        sizeof one.name, H5P_DEFAULT);
    if (length > 0 && (size_t)length < sizeof one.name)
        one.values = hdf_read_text(group, one.name, MAX_TEXT_BYTES);
    if (!one.values)
        return true; /* not of ours */
    one.n_bytes = strlen(one.values) + 1;
    return keep(self, &one);
}

/* What is in a column: its type, and the bytes of an element with the end of a text; false for what we do not know. */
static bool find_type(const hdf_shape *shape, record_values *one)
{
    one->type = shape->class == H5T_FLOAT     ? RECORD_F64
                : shape->class == H5T_INTEGER ? RECORD_I64
                                              : RECORD_TEXT;
    one->n_bytes = one->type == RECORD_TEXT ? shape->element_bytes + 1 : sizeof(double);
    return one->type != RECORD_TEXT || (shape->class == H5T_STRING && !shape->variable &&
                                        shape->element_bytes <= MAX_TEXT_BYTES);
}

static bool read_column(source *self, record_values *one)
{
    char path[PATH_BYTES], cause[HDF_CAUSE_BYTES];
    hdf_shape shape;
    snprintf(path, sizeof path, "%s/%s/%s", self->group, one->table, one->name);
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return false;
    one->n = shape.n_elements;
    bool good =
        find_type(&shape, one) && shape.n_dims == 1 &&
        one->n <= (self->left < self->n_bytes ? self->left : self->n_bytes) / shape.element_bytes;
    hid_t type = good ? dataset_type(dataset, one->type, one->n_bytes) : -1;
    if (!good)
        error_user(self->err, "%s: %s is no column of a table", self->path, path);
    good = good && hdf_check_written(dataset, self->path, path, &shape, self->err) &&
           (one->values = memory_new(one->n + 1, one->n_bytes, self->err));
    if (good && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, one->values) < 0) {
        good =
            error_user(self->err, "%s: %s cannot be read: %s", self->path, path, hdf_cause(cause));
        memory_free(one->values);
    }
    hdf_close(type);
    hdf_close(dataset);
    self->left -= good ? one->n * shape.element_bytes : 0;
    return good && keep(self, one);
}

static bool name_link(hid_t group, hsize_t i, char *name, size_t n_bytes)
{
    ssize_t length =
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, n_bytes, H5P_DEFAULT);
    return length > 0 && (size_t)length < n_bytes;
}

static hsize_t count_links(const source *self, hid_t group)
{
    H5G_info_t info = {0};
    if (H5Gget_info(group, &info) >= 0 && info.nlinks <= DIRECT_MAX_VALUES)
        return info.nlinks;
    error_user(self->err, "%s: %s holds too much", self->path, self->group);
    return 0;
}

static bool read_table(source *self, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", self->group, name);
    hid_t group = hdf_open_object(self->file, self->path, path, self->err);
    hsize_t n = group >= 0 ? count_links(self, group) : 0;
    for (hsize_t i = 0; i < n && self->err->kind == ERROR_NONE; i++) {
        record_values one = {.n = 0};
        snprintf(one.table, sizeof one.table, "%s", name);
        if (name_link(group, i, one.name, sizeof one.name))
            read_column(self, &one);
        else
            error_user(self->err, "%s: a name in %s is too long", self->path, path);
    }
    hdf_close(group);
    return self->err->kind == ERROR_NONE;
}

static bool read_group(source *self)
{
    hid_t group = hdf_open_object(self->file, self->path, self->group, self->err);
    if (group < 0)
        return false;
    hsize_t n_attributes = H5Iget_type(group) == H5I_GROUP ? (hsize_t)H5Aget_num_attrs(group) : 0;
    hsize_t n = count_links(self, group);
    for (hsize_t i = 0; i < n_attributes && i < DIRECT_MAX_VALUES && self->err->kind == ERROR_NONE;
         i++)
        read_attribute(self, group, i);
    for (hsize_t i = 0; i < n && self->err->kind == ERROR_NONE; i++) {
        char name[sizeof((record_values *)0)->table];
        if (name_link(group, i, name, sizeof name))
            read_table(self, name);
        else
            error_user(self->err, "%s: a name in %s is too long", self->path, self->group);
    }
    hdf_close(group);
    return self->err->kind == ERROR_NONE;
}

/* Nothing is read of a file of another format. */
static bool read_file(source *self, const char *format, size_t n_bytes)
{
    char *is = hdf_read_text(self->file, "format", 64);
    bool ours = is && strcmp(is, format) == 0;
    memory_free(is);
    if (!ours)
        return true;
    self->n_bytes = n_bytes;
    self->left = n_bytes + CHILD_BYTES / 2;
    self->out->all = memory_new(DIRECT_MAX_VALUES, sizeof *self->out->all, self->err);
    return self->out->all && read_group(self) &&
           hdf_check_size(self->file, self->path, n_bytes, self->err);
}

bool direct_read_tables(const char *path, const char *format, const char *group, bool *is_one,
                        record_values_list *out, error *err)
{
    size_t n_bytes;
    source self = {.path = path, .group = group, .out = out, .err = err};
    *out = (record_values_list){0};
    *is_one = false;
    self.file = hdf_open(path, &n_bytes, err);
    if (self.file < 0)
        return false;
    bool good = read_file(&self, format, n_bytes);
    hdf_close(self.file);
    *is_one = good && out->all;
    if (!good)
        record_values_free(out);
    return good;
}
