#include "child.h"
#include "hdf.h"
#include "record/table.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_VALUES = 512, MAX_TEXT_BYTES = 4096, PATH_BYTES = 256 };

typedef struct source {
    const char *path, *format, *group;
    hid_t file;
    size_t n_bytes; /* of the file: no column is larger */
    size_t n;       /* values found so far */
    FILE *out;
    error *err;
} source;

/* ---- the child: the head of each, and what it holds ---------------------------------------------- */

/* `values` as it is read; the pointer in it means nothing to the parent. */
static bool put(source *self, record_values *values)
{
    bool good = self->n++ < MAX_VALUES;
    if (good) {
        fwrite(values, sizeof *values, 1, self->out);
        fwrite(values->values, values->n_bytes, values->n, self->out);
    } else
        error_user(self->err, "%s: %s holds too much", self->path, self->group);
    memory_free(values->values);
    return good;
}

static bool put_attribute(source *self, hid_t group, hsize_t i)
{
    record_values one = {.type = RECORD_TEXT, .n = 1};
    ssize_t length = H5Aget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, one.name,
                                        sizeof one.name, H5P_DEFAULT);
    if (length > 0 && (size_t)length < sizeof one.name)
        one.values = hdf_read_text(group, one.name, MAX_TEXT_BYTES);
    if (!one.values)
        return true; /* not of ours */
    one.n_bytes = strlen(one.values) + 1;
    return put(self, &one);
}

static hid_t type_of(hid_t dataset, const hdf_shape *shape, record_values *one)
{
    one->type = shape->class == H5T_FLOAT ? RECORD_F64 : RECORD_I32;
    one->n_bytes = 8;
    if (shape->class == H5T_FLOAT)
        return H5Tcopy(H5T_NATIVE_DOUBLE);
    if (shape->class == H5T_INTEGER)
        return H5Tcopy(H5T_NATIVE_INT64);
    if (shape->class != H5T_STRING || shape->variable || shape->element_bytes > MAX_TEXT_BYTES)
        return -1;
    one->type = RECORD_TEXT;
    one->n_bytes = shape->element_bytes + 1;
    hid_t in_file = H5Dget_type(dataset), type = H5Tcopy(in_file); /* for the character set */
    hdf_close(in_file);
    if (H5Tset_size(type, one->n_bytes) >= 0 && H5Tset_strpad(type, H5T_STR_NULLTERM) >= 0)
        return type;
    hdf_close(type);
    return -1;
}

static bool put_column(source *self, record_values *one)
{
    char path[PATH_BYTES], cause[HDF_CAUSE_BYTES];
    hdf_shape shape;
    snprintf(path, sizeof path, "%s/%s/%s", self->group, one->table, one->name);
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return false;
    hid_t type = type_of(dataset, &shape, one);
    one->n = shape.n_elements;
    bool good = type >= 0 && shape.n_dims == 1 && one->n * shape.element_bytes <= self->n_bytes;
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
    return good && put(self, one);
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
    if (H5Gget_info(group, &info) >= 0 && info.nlinks <= MAX_VALUES)
        return info.nlinks;
    error_user(self->err, "%s: %s holds too much", self->path, self->group);
    return 0;
}

static bool put_table(source *self, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", self->group, name);
    hid_t group = hdf_open_object(self->file, self->path, path, self->err);
    hsize_t n = group >= 0 ? count_links(self, group) : 0;
    for (hsize_t i = 0; i < n && self->err->kind == ERROR_NONE; i++) {
        record_values one = {.n = 0};
        snprintf(one.table, sizeof one.table, "%s", name);
        if (name_link(group, i, one.name, sizeof one.name))
            put_column(self, &one);
        else
            error_user(self->err, "%s: a name in %s is too long", self->path, path);
    }
    hdf_close(group);
    return self->err->kind == ERROR_NONE;
}

static bool put_all(source *self)
{
    hid_t group = hdf_open_object(self->file, self->path, self->group, self->err);
    if (group < 0)
        return false;
    hsize_t n_attributes = H5Iget_type(group) == H5I_GROUP ? (hsize_t)H5Aget_num_attrs(group) : 0;
    hsize_t n = count_links(self, group);
    for (hsize_t i = 0; i < n_attributes && i < MAX_VALUES && self->err->kind == ERROR_NONE; i++)
        put_attribute(self, group, i);
    for (hsize_t i = 0; i < n && self->err->kind == ERROR_NONE; i++) {
        char name[sizeof((record_values *)0)->table];
        if (name_link(group, i, name, sizeof name))
            put_table(self, name);
        else
            error_user(self->err, "%s: a name in %s is too long", self->path, self->group);
    }
    hdf_close(group);
    return self->err->kind == ERROR_NONE;
}

/* Nothing is written for a file of another format. */
static bool work(void *arg, FILE *out, error *err)
{
    source *self = arg;
    self->out = out;
    self->err = err;
    self->file = hdf_open(self->path, &self->n_bytes, err);
    if (self->file < 0)
        return false;
    char *format = hdf_read_text(self->file, "format", 64);
    bool ours = format && strcmp(format, self->format) == 0, good = true;
    memory_free(format);
    if (ours)
        good = putc('t', out) != EOF && put_all(self) &&
               hdf_check_size(self->file, self->path, self->n_bytes, err);
    hdf_close(self->file);
    return good;
}

/* ---- the parent ----------------------------------------------------------------------------------- */

static bool take(FILE *in, size_t most, record_values *one, error *err)
{
    size_t n_bytes;
    one->values = NULL;
    if (one->type > RECORD_TEXT || one->n_bytes == 0 ||
        !memory_multiply(one->n, one->n_bytes, &n_bytes) || n_bytes > most ||
        (one->type != RECORD_TEXT && one->n_bytes != 8) ||
        !(one->values = memory_new(one->n + 1, one->n_bytes, err)) ||
        fread(one->values, one->n_bytes, one->n, in) != one->n)
        return false;
    one->table[sizeof one->table - 1] = one->name[sizeof one->name - 1] = '\0';
    for (size_t i = 0; one->type == RECORD_TEXT && i < one->n; i++)
        ((char *)one->values)[(i + 1) * one->n_bytes - 1] = '\0';
    return true;
}

bool record_read_tables(const char *path, const char *format, const char *group, bool *is_one,
                        record_values_list *out, error *err)
{
    source request = {.path = path, .format = format, .group = group};
    struct stat status;
    *out = (record_values_list){0};
    *is_one = false;
    FILE *in = child_run(path, work, &request, err);
    if (!in)
        return false;
    *is_one = getc(in) == 't';
    bool good = fstat(fileno(in), &status) == 0 &&
                (out->all = memory_new(MAX_VALUES, sizeof *out->all, err));
    while (good && out->n < MAX_VALUES && fread(&out->all[out->n], sizeof *out->all, 1, in) == 1)
        good = take(in, (size_t)status.st_size, &out->all[out->n++], err) ||
               error_user(err, "%s: is damaged: what HDF5 reads from it does not add up", path);
    fclose(in);
    if (!good)
        record_values_free(out);
    return good;
}

void record_values_free(record_values_list *self)
{
    for (size_t i = 0; self->all && i < self->n; i++)
        memory_free(self->all[i].values);
    memory_free(self->all);
    *self = (record_values_list){0};
}
