#include "hdf.h"
#include "record/arrays.h"

static bool write_array(hid_t file, const record_named *one)
{
    const int64_t zero = 0;
    hid_t type = one->values ? H5T_IEEE_F32LE : H5T_STD_I64LE;
    hid_t native = one->values ? H5T_NATIVE_FLOAT : H5T_NATIVE_INT64;
    hid_t dataset = hdf_new_dataset(file, one->name, "1",
                                    one->values ? "Weights, as in PyTorch's state_dict."
                                                : "As in PyTorch's state_dict; not counted here.",
                                    type, one->n_dims, one->dims);
    const void *values = one->values ? (const void *)one->values : &zero;
    bool good =
        dataset >= 0 && H5Dwrite(dataset, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
    return hdf_close(dataset) && good;
}

bool record_write_arrays(const char *temporary, const char *path, const record_named_list *what,
                         error *err)
{
    char cause[HDF_CAUSE_BYTES] = "";
    hdf_quiet();
    hid_t file = hdf_new_file(temporary);
    bool good = file >= 0;
    for (size_t i = 0; good && i < what->n_pairs; i++)
        good = hdf_write_text(file, what->pairs[i].name, what->pairs[i].value);
    for (size_t i = 0; good && i < what->n_arrays; i++)
        good = write_array(file, &what->arrays[i]);
    if (!good)
        hdf_cause(cause); /* before closing replaces it */
    if (file >= 0 && H5Fclose(file) < 0 && good) {
        good = false;
        hdf_cause(cause);
    }
    return good || error_environment(err, "%s: cannot be written: %s", path, cause);
}
