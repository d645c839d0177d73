/*
 * pytorch_file.h - for the tests against PyTorch's numbers: reading them, and how near they are to be
 */
#ifndef BRAMBLE_TESTS_PYTORCH_FILE_H
#define BRAMBLE_TESTS_PYTORCH_FILE_H

#include "networks.h"

#include <hdf5.h>

/* An attribute of an object; the test ends where it cannot be read. */
static inline double read_number(hid_t file, const char *path, const char *name)
{
    double value = 0.0;
    hid_t attribute = H5Aopen_by_name(file, path, name, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Aread(attribute, H5T_NATIVE_DOUBLE, &value) < 0)
        fail_msg("%s: no %s", path, name);
    assert_true(H5Aclose(attribute) >= 0);
    return value;
}

/* A dataset, and in *n how many numbers; guarded_free it. */
static inline float *read_floats(hid_t file, const char *path, size_t *n)
{
    hid_t data = H5Dopen2(file, path, H5P_DEFAULT);
    if (data < 0)
        fail_msg("no %s", path);
    hid_t space = H5Dget_space(data);
    *n = (size_t)H5Sget_simple_extent_npoints(space);
    float *x = guarded_new(*n * sizeof *x);
    assert_true(H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    assert_true(H5Sclose(space) >= 0 && H5Dclose(data) >= 0);
    return x;
}

static inline void assert_close(const char *what, size_t k, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s, value %zu: %.8g, PyTorch's %.8g, tolerance %.1g", what, k, got, want, bound);
}

/* n numbers against a dataset: tolerance is of its largest; what is 0 but for rounding may be a little beside it. */
static inline void compare_numbers(hid_t file, const char *path, const double *got, size_t n,
                                   double tolerance)
{
    size_t n_want;
    float *want = read_floats(file, path, &n_want);
    double largest = 0.0;
    assert_int_equal(n, n_want);
    for (size_t k = 0; k < n; k++)
        largest = fmax(largest, fabs((double)want[k]));
    for (size_t k = 0; k < n; k++)
        assert_close(path, k, got[k], (double)want[k], tolerance * largest + 1e-7);
    guarded_free(want);
}

#endif
