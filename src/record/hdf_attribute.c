#include "hdf.h"

#include "base/memory.h"

#include <string.h>

static bool write_attribute(hid_t object, const char *name, hid_t type, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = -1;
    if (space >= 0)
        attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    good = hdf_close(attribute) && good;
    return hdf_close(space) && good;
}

static bool write_string(hid_t object, const char *name, size_t n_bytes, const void *value)
{
    hid_t type = hdf_text_type(n_bytes);
    bool good = type >= 0 && write_attribute(object, name, type, value);
    return hdf_close(type) && good;
}

bool hdf_write_text(hid_t object, const char *name, const char *value)
{
    return write_string(object, name, strlen(value) + 1, value);
}

bool hdf_write_note(hid_t object, const char *name, const char *value)
{
    return write_string(object, name, H5T_VARIABLE, &value);
}

bool hdf_write_int(hid_t object, const char *name, int64_t value)
{
    return write_attribute(object, name, H5T_STD_I64LE, &value);
}

static char *read_fixed(hid_t attribute, hid_t type, size_t max_bytes)
{
    size_t n_bytes = H5Tget_size(type);
    hid_t longer = H5Tcopy(type); /* by a NUL */
    char *text = n_bytes <= max_bytes ? memory_new(n_bytes + 1, 1, NULL) : NULL;
    if (text &&
        (H5Tset_size(longer, n_bytes + 1) < 0 || H5Tset_strpad(longer, H5T_STR_NULLTERM) < 0 ||
         H5Aread(attribute, longer, text) < 0)) {
        memory_free(text);
        text = NULL;
    }
    hdf_close(longer);
    return text;
}

static bool is_single(hid_t attribute)
{
    hid_t space = H5Aget_space(attribute);
    bool single = H5Sget_simple_extent_npoints(space) == 1;
    hdf_close(space);
    return single;
}

char *hdf_read_text(hid_t object, const char *name, size_t max_bytes)
{
    if (H5Aexists(object, name) <= 0)
        return NULL;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute);
    char *text = NULL;
    if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 && is_single(attribute))
        text = read_fixed(attribute, type, max_bytes);
    hdf_close(type);
    hdf_close(attribute);
    return text;
}

bool hdf_read_int(hid_t object, const char *name, int64_t *value)
{
    if (H5Aexists(object, name) <= 0)
        return false;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute);
    bool good = H5Tget_class(type) == H5T_INTEGER && is_single(attribute) &&
                H5Aread(attribute, H5T_NATIVE_INT64, value) >= 0;
    hdf_close(type);
    hdf_close(attribute);
    return good;
}
