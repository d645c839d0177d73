#include "reader.h"

#include "dataset.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 128 };

/* One column: the dataset, and the part of it that is wanted, n elements. */
typedef struct column_source {
    const record_column *column;
    char path[PATH_BYTES];
    hid_t dataset;
    size_t n_bytes; /* of an element, in memory */
    int n_dims;
    hsize_t dims[2];
    size_t n;
} column_source;

static bool check_type(const reader *self, const column_source *source, const hdf_shape *shape)
{
    static const char *const wanted[] = {[RECORD_F64] = "floating-point numbers",
                                         [RECORD_I32] = "integers",
                                         [RECORD_I64] = "integers",
                                         [RECORD_TEXT] = "strings of fixed length"};
    enum record_type type = source->column->type;
    H5T_class_t class = type == RECORD_F64    ? H5T_FLOAT
                        : type == RECORD_TEXT ? H5T_STRING
                                              : H5T_INTEGER;
    size_t most = type == RECORD_TEXT ? SCHEMA_MAX_TEXT_BYTES : 16;
    if (shape->class != class || shape->variable || shape->element_bytes > most)
        return error_user(self->err, "%s: %s does not hold %s", self->path, source->path,
                          wanted[type]);
    return true;
}

static bool check_shape(const reader *self, const char *path, enum shape expected,
                        const hdf_shape *shape)
{
    char is[HDF_SHAPE_BYTES], wanted[HDF_SHAPE_BYTES];
    size_t dims[2];
    int n_dims = schema_dims(expected, &self->sizes, dims);
    bool same = n_dims == shape->n_dims;
    for (int i = 0; same && i < n_dims; i++)
        same = dims[i] == shape->dims[i];
    if (!same)
        return error_user(self->err, "%s: %s has the shape %s, expected %s", self->path, path,
                          hdf_shape_text(is, shape->n_dims, shape->dims),
                          hdf_shape_text(wanted, n_dims, dims));
    if (shape->n_elements * shape->element_bytes > self->n_bytes)
        return error_user(self->err, "%s: %s is larger than the file", self->path, path);
    return true;
}

static bool open_column(const reader *self, enum table_id id, size_t i, column_source *source,
                        hdf_shape *shape)
{
    const schema_table *table = &schema_tables[id];
    source->column = schema_column(table, i);
    source->n_bytes = dataset_bytes(source->column, self->sizes.n_text_bytes);
    snprintf(source->path, sizeof source->path, "%s/%s", table->group, source->column->name);
    source->dataset = hdf_open_dataset(self->file, self->path, source->path, shape, self->err);
    if (source->dataset < 0)
        return false;
    if (check_type(self, source, shape))
        return true;
    hdf_close(source->dataset);
    return false;
}

bool reader_length(const reader *self, enum table_id id, size_t *n)
{
    column_source source;
    hdf_shape shape;
    char text[HDF_SHAPE_BYTES];
    if (!open_column(self, id, 0, &source, &shape))
        return false;
    hdf_close(source.dataset);
    if (shape.n_dims != 1 || shape.dims[0] == 0)
        return error_user(self->err, "%s: %s has the shape %s, expected at least one row",
                          self->path, source.path, hdf_shape_text(text, shape.n_dims, shape.dims));
    *n = shape.dims[0];
    return true;
}

bool reader_text_length(const reader *self, enum table_id id, size_t *n)
{
    column_source source;
    hdf_shape shape;
    if (!open_column(self, id, 0, &source, &shape))
        return false;
    hdf_close(source.dataset);
    *n = shape.element_bytes;
    return true;
}

static bool read_elements(const column_source *source, hid_t type, void *values)
{
    const hsize_t start[2] = {0, 0};
    if (source->n_dims == 0)
        return H5Dread(source->dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    hid_t memory = H5Screate_simple(source->n_dims, source->dims, NULL);
    hid_t file = H5Dget_space(source->dataset);
    bool good = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, source->dims, NULL) >= 0 &&
                H5Dread(source->dataset, type, memory, file, H5P_DEFAULT, values) >= 0;
    hdf_close(memory);
    hdf_close(file);
    return good;
}

static bool read_column(const reader *self, const column_source *source, void *rows,
                        size_t row_bytes)
{
    char cause[HDF_CAUSE_BYTES];
    char *values = memory_new(source->n, source->n_bytes, self->err);
    if (!values)
        return false;
    hid_t type = dataset_type(source->dataset, source->column->type, source->n_bytes);
    bool good = read_elements(source, type, values);
    hdf_close(type);
    if (!good)
        error_user(self->err, "%s: %s cannot be read: %s", self->path, source->path,
                   hdf_cause(cause));
    else if (!(good = dataset_scatter(source->column, source->n_bytes, values, source->n, rows,
                                      row_bytes)))
        error_user(self->err, "%s: %s holds a number that is out of range", self->path,
                   source->path);
    memory_free(values);
    return good;
}

/* Is it a column that the program which wrote the file did not know? */
static bool is_lacking(const reader *self, const schema_table *table, const record_column *column)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", table->group, column->name);
    return column->later && hdf_lacks(self->file, path);
}

static bool open_and_read(const reader *self, enum table_id id, size_t i, const size_t dims[2],
                          void *rows)
{
    const schema_table *table = &schema_tables[id];
    column_source source;
    hdf_shape shape;
    if (!open_column(self, id, i, &source, &shape))
        return false;
    source.n_dims = schema_dims(table->shape, &self->sizes, (size_t[2]){0});
    source.n = dims[0] * dims[1];
    source.dims[0] = dims[0];
    source.dims[1] = dims[1];
    bool good = check_shape(self, source.path, table->shape, &shape) &&
                hdf_check_written(source.dataset, self->path, source.path, &shape, self->err) &&
                (source.n == 0 || read_column(self, &source, rows, table->row_bytes));
    hdf_close(source.dataset);
    return good;
}

bool reader_table(const reader *self, enum table_id id, size_t n_rounds, void *rows)
{
    const schema_table *table = &schema_tables[id];
    schema_sizes part = self->sizes;
    part.n_rounds = n_rounds;
    size_t dims[2] = {1, 1};
    schema_dims(table->shape, &part, dims);
    for (size_t i = 0; i < table->n_columns; i++) {
        const record_column *column = schema_column(table, i);
        if (is_lacking(self, table, column))
            dataset_unknown(column, dims[0] * dims[1], rows, table->row_bytes);
        else if (!open_and_read(self, id, i, dims, rows))
            return false;
    }
    return true;
}
