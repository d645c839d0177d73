#include "hdf.h"

#include <math.h>

/*
 * The format of HDF5 1.8: every reader knows it, SWMR readers accept it, its metadata have checksums,
 * and its superblock, unlike that of 1.10, has no mark of being open that a reader would stumble over.
 */
hid_t hdf_new_file(const char *temporary)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE), file = -1;
    if (H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_file_locking(access, false, true) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0)
        file = H5Fcreate(temporary, H5F_ACC_TRUNC, creation, access);
    hdf_close(access);
    hdf_close(creation);
    return file;
}

/*
 * All space is taken and filled at once (a full disk shows here, and offsets never change).  No
 * times, so that the same run gives the same file.
 */
static hid_t dataset_properties(hid_t type)
{
    const double nan_value = NAN;
    const int64_t minus_one = -1;
    const void *fill = H5Tget_class(type) == H5T_FLOAT ? (const void *)&nan_value : &minus_one;
    hid_t native = H5Tget_class(type) == H5T_FLOAT ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (creation >= 0 && H5Pset_layout(creation, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
        H5Pset_fill_time(creation, H5D_FILL_TIME_ALLOC) >= 0 &&
        H5Pset_obj_track_times(creation, false) >= 0 &&
        (H5Tget_class(type) == H5T_STRING || H5Pset_fill_value(creation, native, fill) >= 0))
        return creation;
    hdf_close(creation);
    return -1;
}

hid_t hdf_new_dataset(hid_t group, const char *name, const char *unit, const char *about,
                      hid_t type, int n_dims, const size_t *dims)
{
    hsize_t extent[HDF_MAX_DIMS];
    for (int i = 0; i < n_dims; i++)
        extent[i] = dims[i];
    hid_t space = n_dims > 0 ? H5Screate_simple(n_dims, extent, NULL) : H5Screate(H5S_SCALAR);
    hid_t creation = dataset_properties(type), dataset = -1;
    if (space >= 0 && creation >= 0)
        dataset = H5Dcreate2(group, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    hdf_close(creation);
    hdf_close(space);
    if (dataset >= 0 && hdf_write_note(dataset, "unit", unit) &&
        hdf_write_note(dataset, "about", about))
        return dataset;
    hdf_close(dataset);
    return -1;
}
