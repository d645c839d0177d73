#include "dataset.h"
#include "direct.h"
#include "hdf.h"
#include "record/images.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* A file that is open, and a dataset of it. */
typedef struct opened {
    const char *path, *name;
    hid_t file, dataset; /* negative: none */
    size_t n_bytes;      /* of the file */
    hdf_shape shape;
    error *err;
} opened;

/* Takes the path from the root; *there says whether something is there. */
static bool open_array(opened *self, bool *there)
{
    char from_root[512];
    self->file = self->dataset = -1;
    *there = false;
    if (strlen(self->name) > sizeof from_root - 2)
        return error_user(self->err, "%s: %.100s...: the name is too long", self->path, self->name);
    snprintf(from_root, sizeof from_root, "/%s", self->name);
    self->file = hdf_open(self->path, &self->n_bytes, self->err);
    if (self->file < 0)
        return false;
    if (hdf_lacks(self->file, from_root))
        return true;
    *there = true;
    self->dataset = hdf_open_dataset(self->file, self->path, from_root, &self->shape, self->err);
    return self->dataset >= 0 &&
           hdf_check_written(self->dataset, self->path, from_root, &self->shape, self->err);
}

static void close_array(opened *self)
{
    hdf_close(self->dataset);
    hdf_close(self->file);
}

/* ---- what it is -------------------------------------------------------------------------------- */

static bool is_text(const hdf_shape *shape)
{
    return shape->class == H5T_STRING &&
           (shape->variable || shape->element_bytes <= RECORD_TEXT_BYTES);
}

static void describe_type(const opened *self, record_array *what)
{
    size_t n = self->shape.element_bytes;
    hid_t type = H5Dget_type(self->dataset);
    bool is_unsigned = self->shape.class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_NONE;
    hdf_close(type);
    what->is_whole = self->shape.class == H5T_INTEGER && n <= 8;
    what->is_bytes = is_unsigned && n == 1;
    what->is_text = is_text(&self->shape);
    what->is_variable = self->shape.variable;
    const char *kind = self->shape.class == H5T_FLOAT    ? "float"
                       : self->shape.class == H5T_STRING ? "text"
                       : is_unsigned                     ? "uint"
                       : what->is_whole                  ? "int"
                                                         : "no number";
    if (what->is_whole || self->shape.class == H5T_FLOAT)
        snprintf(what->type, sizeof what->type, "%s%zu", kind, 8 * (n < 1000 ? n : 1000));
    else
        snprintf(what->type, sizeof what->type, "%s", kind);
}

bool direct_array_describe(const char *path, const char *name, record_array *what, error *err)
{
    opened self = {.path = path, .name = name, .err = err};
    *what = (record_array){0};
    bool good = open_array(&self, &what->is_there);
    if (good && what->is_there) {
        what->n_dims = self.shape.n_dims;
        for (int i = 0; i < what->n_dims && i < RECORD_ARRAY_DIMS; i++)
            what->dims[i] = self.shape.dims[i];
        describe_type(&self, what);
    }
    good = good && hdf_check_size(self.file, path, self.n_bytes, err);
    close_array(&self);
    return good;
}

/* ---- what it holds ----------------------------------------------------------------------------- */

static hid_t memory_type(const opened *self, enum record_element as)
{
    if (as != RECORD_NAMES)
        return H5Tcopy(as == RECORD_BYTES ? H5T_NATIVE_UINT8 : H5T_NATIVE_INT64);
    return self->shape.variable ? H5Dget_type(self->dataset)
                                : dataset_type(self->dataset, RECORD_TEXT, RECORD_TEXT_BYTES + 1);
}

/* Is it what the caller was told, and are the places within it? */
static bool check_wanted(const opened *self, const record_wanted *what)
{
    const hdf_shape *shape = &self->shape;
    size_t unit = what->as == RECORD_BYTES   ? 1
                  : what->as == RECORD_WHOLE ? sizeof(int64_t)
                                             : RECORD_CLASS_BYTES;
    bool fits = what->as == RECORD_NAMES ? is_text(shape) && what->n_bytes == unit
                                         : shape->class == H5T_INTEGER;
    size_t rows = shape->n_dims > 0 ? shape->dims[0] : 0, last = what->n - 1;
    if (what->n > 0 && what->places)
        last = what->places[what->n - 1];
    bool good = fits && rows > 0 && (what->n == 0 || last < rows) &&
                what->n_bytes / unit == shape->n_elements / rows && what->n_bytes % unit == 0;
    return good || error_user(self->err, "%s: %s changes while it is read", self->path, self->name);
}

static bool read_run(const opened *self, hid_t type, size_t first, size_t n, void *to)
{
    hsize_t start[HDF_MAX_DIMS] = {first}, count[HDF_MAX_DIMS] = {n};
    for (int i = 1; i < self->shape.n_dims; i++)
        count[i] = self->shape.dims[i];
    hid_t in_file = H5Dget_space(self->dataset);
    hid_t in_memory = H5Screate_simple(self->shape.n_dims, count, NULL);
    bool good = in_file >= 0 && in_memory >= 0 &&
                H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                H5Dread(self->dataset, type, in_memory, in_file, H5P_DEFAULT, to) >= 0;
    char cause[HDF_CAUSE_BYTES] = "";
    if (!good)
        hdf_cause(cause);
    hdf_close(in_memory);
    hdf_close(in_file);
    return good ||
           error_user(self->err, "%s: %s cannot be read: %s", self->path, self->name, cause);
}

/* In memory of HDF5's. */
static bool read_variable(const opened *self, hid_t type, size_t place,
                          char to[RECORD_TEXT_BYTES + 1])
{
    char *text = NULL;
    hid_t one = H5Screate(H5S_SCALAR);
    bool good = read_run(self, type, place, 1, &text);
    snprintf(to, RECORD_TEXT_BYTES + 1, "%s", good && text ? text : "");
    H5Dvlen_reclaim(type, one, H5P_DEFAULT, &text);
    hdf_close(one);
    return good;
}

/* One by one: in the file they may be long. */
static bool read_names(const opened *self, const record_wanted *what, hid_t type,
                       char (*to)[RECORD_CLASS_BYTES])
{
    char text[RECORD_TEXT_BYTES + 1] = "";
    bool good = true;
    for (size_t i = 0; good && i < what->n; i++) {
        size_t place = what->places ? what->places[i] : i;
        good = self->shape.variable ? read_variable(self, type, place, text)
                                    : read_run(self, type, place, 1, text);
        snprintf(to[i], sizeof to[i], "%.*s",
                 (int)utf8_fit(text, strnlen(text, RECORD_TEXT_BYTES), sizeof to[i] - 1), text);
    }
    return good;
}

static bool read_all(const opened *self, const record_wanted *what, uint8_t *to)
{
    hid_t type = memory_type(self, what->as);
    bool good = type >= 0;
    if (good && what->as == RECORD_NAMES)
        good = read_names(self, what, type, (char(*)[RECORD_CLASS_BYTES])to);
    for (size_t i = 0, run; good && what->as != RECORD_NAMES && i < what->n; i += run) {
        run = what->places ? 1 : what->n;
        while (what->places && i + run < what->n && what->places[i + run] == what->places[i] + run)
            run++;
        good =
            read_run(self, type, what->places ? what->places[i] : 0, run, to + i * what->n_bytes);
    }
    hdf_close(type);
    return good;
}

bool direct_array_read(const record_wanted *what, void *to, error *err)
{
    opened self = {.path = what->path, .name = what->name, .err = err};
    bool there, good = open_array(&self, &there);
    if (good && !there)
        good = error_user(err, "%s: has no array %s", what->path, what->name);
    good = good && check_wanted(&self, what) && read_all(&self, what, to) &&
           hdf_check_size(self.file, what->path, self.n_bytes, err);
    close_array(&self);
    return good;
}
