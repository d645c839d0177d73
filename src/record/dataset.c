#include "dataset.h"

#include <math.h>
#include <string.h>

size_t dataset_bytes(const record_column *column, size_t n_text_bytes)
{
    if (column->type != RECORD_TEXT)
        return 8;
    return column->n_bytes > 0 ? column->n_bytes : n_text_bytes;
}

static hid_t type_in_file(const record_column *column, size_t n_bytes)
{
    if (column->type == RECORD_TEXT)
        return hdf_text_type(n_bytes);
    return H5Tcopy(column->type == RECORD_F64 ? H5T_IEEE_F64LE : H5T_STD_I64LE);
}

hid_t dataset_new(hid_t group, const record_column *column, size_t n_text_bytes, int n_dims,
                  const size_t *dims)
{
    const char *unit = column->name + strlen(column->name) + 1, *about = unit + strlen(unit) + 1;
    hid_t type = type_in_file(column, dataset_bytes(column, n_text_bytes)), dataset = -1;
    if (type >= 0)
        dataset = hdf_new_dataset(group, column->name, unit, about, type, n_dims, dims);
    hdf_close(type);
    return dataset;
}

hid_t dataset_type(hid_t dataset, enum record_type type, size_t n_bytes)
{
    if (type != RECORD_TEXT)
        return H5Tcopy(type == RECORD_F64 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64);
    hid_t in_file = H5Dget_type(dataset), text = H5Tcopy(in_file); /* for the character set */
    hdf_close(in_file);
    if (H5Tset_size(text, n_bytes) >= 0 && H5Tset_strpad(text, H5T_STR_NULLTERM) >= 0)
        return text;
    hdf_close(text);
    return -1;
}

void dataset_gather(const record_column *column, size_t n_bytes, const void *rows, size_t row_bytes,
                    size_t n, void *elements)
{
    const char *from = (const char *)rows + column->offset;
    char *to = elements;
    for (size_t i = 0; i < n; i++, from += row_bytes, to += n_bytes) {
        if (column->type == RECORD_I32) {
            int32_t narrow;
            memcpy(&narrow, from, sizeof narrow);
            int64_t wide = narrow;
            memcpy(to, &wide, sizeof wide);
        } else {
            memcpy(to, from, n_bytes);
        }
    }
}

bool dataset_scatter(const record_column *column, size_t n_bytes, const void *elements, size_t n,
                     void *rows, size_t row_bytes)
{
    const char *from = elements;
    char *to = (char *)rows + column->offset;
    for (size_t i = 0; i < n; i++, from += n_bytes, to += row_bytes) {
        if (column->type == RECORD_I32) {
            int64_t wide;
            memcpy(&wide, from, sizeof wide);
            int32_t narrow = (int32_t)wide;
            if (narrow != wide)
                return false;
            memcpy(to, &narrow, sizeof narrow);
        } else {
            memcpy(to, from, n_bytes);
        }
    }
    return true;
}

void dataset_unknown(const record_column *column, size_t n, void *rows, size_t row_bytes)
{
    const double no_number = NAN;
    const int64_t no_count = -1; /* little-endian: the first bytes of it are -1, too */
    char *to = (char *)rows + column->offset;
    for (size_t i = 0; i < n; i++, to += row_bytes) {
        if (column->type == RECORD_TEXT)
            *to = '\0';
        else
            memcpy(to, column->type == RECORD_F64 ? (const void *)&no_number : &no_count,
                   column->n_bytes);
    }
}
