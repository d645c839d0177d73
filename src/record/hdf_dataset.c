#include "hdf.h"

#include "base/memory.h"

#include <stdio.h>

enum { CHUNK_MAX_BYTES = 8 << 20 }; /* of a chunk larger than its dataset */

static const char too_large[] = "has more elements than fit in memory";

/* What is wrong with a dataset's shape, or NULL. */
static const char *space_fault(hid_t dataset, hdf_shape *shape)
{
    hsize_t dims[HDF_MAX_DIMS];
    hid_t space = H5Dget_space(dataset);
    const char *fault = "has no shape that can be read";
    shape->n_dims = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) == H5S_NULL)
        fault = "is empty";
    else if (shape->n_dims > HDF_MAX_DIMS)
        fault = "has more than 8 dimensions";
    else if (shape->n_dims >= 0 && H5Sget_simple_extent_dims(space, dims, NULL) >= 0)
        fault = NULL;
    hdf_close(space);
    shape->n_elements = 1;
    for (int i = 0; !fault && i < shape->n_dims; i++) {
        if (dims[i] > SIZE_MAX ||
            !memory_multiply(shape->n_elements, (size_t)dims[i], &shape->n_elements))
            fault = too_large;
        shape->dims[i] = (size_t)dims[i];
    }
    return fault;
}

static const char *type_fault(hid_t dataset, hdf_shape *shape)
{
    hid_t type = H5Dget_type(dataset);
    size_t n_bytes;
    shape->class = H5Tget_class(type);
    shape->variable = shape->class == H5T_STRING && H5Tis_variable_str(type) != 0;
    shape->element_bytes = H5Tget_size(type);
    hdf_close(type);
    if (shape->class < 0 || shape->element_bytes == 0)
        return "has no type that can be read";
    return memory_multiply(shape->n_elements, shape->element_bytes, &n_bytes) ? NULL : too_large;
}

/* A chunk is unpacked whole, so one much larger than its dataset is an attack on the memory. */
static bool chunks_bounded(hid_t creation, const hdf_shape *shape)
{
    hsize_t dims[HDF_MAX_DIMS];
    int n_dims = H5Pget_chunk(creation, HDF_MAX_DIMS, dims);
    double n_bytes = (double)shape->element_bytes;
    for (int i = 0; i < n_dims && i < HDF_MAX_DIMS; i++)
        n_bytes *= (double)dims[i];
    double whole = (double)shape->n_elements * (double)shape->element_bytes;
    return n_dims == shape->n_dims && (n_bytes <= whole || n_bytes <= CHUNK_MAX_BYTES);
}

/* Filters may be loaded from libraries, and need not be HDF5's own; these three are common. */
static bool filters_known(hid_t creation)
{
    int n = H5Pget_nfilters(creation);
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        H5Z_filter_t id =
            H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config);
        if (id != H5Z_FILTER_DEFLATE && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_FLETCHER32)
            return false;
    }
    return n >= 0;
}

/*
 * What is wrong with how a dataset is stored, or NULL.  Comes before anything else is asked of it: HDF5
 * opens other files to tell the shape of a virtual one.
 */
static const char *storage_fault(hid_t creation)
{
    H5D_layout_t layout = H5Pget_layout(creation);
    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        return "is stored outside the file";
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(creation) != 0)
        return "is stored outside the file";
    if (!filters_known(creation))
        return "is packed by a filter other than deflate, shuffle and fletcher32";
    return NULL;
}

static const char *dataset_fault(hid_t dataset, hdf_shape *shape)
{
    hid_t creation = H5Dget_create_plist(dataset);
    const char *fault = storage_fault(creation);
    if (!fault)
        fault = space_fault(dataset, shape);
    if (!fault)
        fault = type_fault(dataset, shape);
    if (!fault && H5Pget_layout(creation) == H5D_CHUNKED && !chunks_bounded(creation, shape))
        fault = "is stored in oversized chunks";
    hdf_close(creation);
    return fault;
}

hid_t hdf_open_dataset(hid_t file, const char *file_name, const char *path, hdf_shape *shape,
                       error *err)
{
    hid_t dataset = hdf_open_object(file, file_name, path, err);
    if (dataset < 0)
        return -1;
    const char *fault =
        H5Iget_type(dataset) == H5I_DATASET ? dataset_fault(dataset, shape) : "is no dataset";
    if (!fault)
        return dataset;
    error_user(err, "%s: %s %s", file_name, path, fault);
    hdf_close(dataset);
    return -1;
}

/* As many chunks as cover the dataset. */
static hsize_t chunks_wanted(hid_t creation, const hdf_shape *shape)
{
    hsize_t dims[HDF_MAX_DIMS], n = 1;
    int n_dims = H5Pget_chunk(creation, HDF_MAX_DIMS, dims);
    for (int i = 0; i < n_dims && i < shape->n_dims; i++)
        n *= (shape->dims[i] + dims[i] - 1) / dims[i];
    return n;
}

/* What was never written HDF5 reads as zeros, without a word. */
static const char *writing_fault(hid_t dataset, hid_t creation, const hdf_shape *shape)
{
    hsize_t n = 0;
    if (shape->n_elements == 0)
        return NULL;
    if (H5Pget_layout(creation) != H5D_CHUNKED)
        return H5Dget_storage_size(dataset) > 0 ? NULL : "was never written";
    hid_t space = H5Dget_space(dataset);
    bool counted = H5Dget_num_chunks(dataset, space, &n) >= 0;
    hdf_close(space);
    if (!counted)
        return "has chunks that cannot be counted";
    if (n == 0)
        return "was never written";
    return n < chunks_wanted(creation, shape) ? "was written only in part" : NULL;
}

bool hdf_check_written(hid_t dataset, const char *file_name, const char *path,
                       const hdf_shape *shape, error *err)
{
    hid_t creation = H5Dget_create_plist(dataset);
    const char *fault = writing_fault(dataset, creation, shape);
    hdf_close(creation);
    return !fault || error_user(err, "%s: %s %s", file_name, path, fault);
}

const char *hdf_shape_text(char text[HDF_SHAPE_BYTES], int n_dims, const size_t *dims)
{
    int used = snprintf(text, HDF_SHAPE_BYTES, "%s", n_dims == 0 ? "a single value" : "");
    for (int i = 0; i < n_dims; i++)
        used +=
            snprintf(text + used, HDF_SHAPE_BYTES - (size_t)used, "%s%zu", i ? " x " : "", dims[i]);
    return text;
}
