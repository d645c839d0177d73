#include "direct.h"
#include "hdf.h"
#include "record/place.h"
#include "record/table.h"
#include "schema.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PATH_BYTES = 1024, ATTEMPTS = 10, PAUSE_NS = 20000000 };

/* ---- one tensor ------------------------------------------------------------------------------ */

typedef struct weights {
    hid_t file;
    const char *file_name, *group;
    error *err;
} weights;

static bool check_tensor(const weights *self, const char *path, const tensor *part,
                         const hdf_shape *shape)
{
    char is[HDF_SHAPE_BYTES], wanted[HDF_SHAPE_BYTES];
    size_t bytes = shape->element_bytes;
    if (shape->class != H5T_FLOAT || (bytes != 2 && bytes != 4 && bytes != 8 && bytes != 16))
        return error_user(self->err, "%s: %s does not hold floating-point numbers", self->file_name,
                          path);
    bool same = shape->n_dims == part->n_dims;
    for (int i = 0; same && i < part->n_dims; i++)
        same = shape->dims[i] == part->dims[i];
    if (!same)
        return error_user(self->err, "%s: %s has the shape %s, the model needs %s", self->file_name,
                          path, hdf_shape_text(is, shape->n_dims, shape->dims),
                          hdf_shape_text(wanted, part->n_dims, part->dims));
    return true;
}

static bool check_finite(const weights *self, const char *path, const float *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(w[i]))
            return error_user(self->err, "%s: %s holds %s (element %zu)", self->file_name, path,
                              isnan(w[i]) ? "NaN" : "an infinite number", i);
    return true;
}

static bool read_weights(const weights *self, const tensor *part, float *w)
{
    hdf_shape shape;
    char path[PATH_BYTES], cause[HDF_CAUSE_BYTES];
    snprintf(path, sizeof path, "%s/%s", strcmp(self->group, "/") == 0 ? "" : self->group,
             part->name);
    hid_t dataset = hdf_open_dataset(self->file, self->file_name, path, &shape, self->err);
    if (dataset < 0)
        return false;
    bool good = check_tensor(self, path, part, &shape) &&
                hdf_check_written(dataset, self->file_name, path, &shape, self->err);
    if (good && H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w) < 0)
        good = error_user(self->err, "%s: %s cannot be read: %s", self->file_name, path,
                          hdf_cause(cause));
    hdf_close(dataset);
    return good && check_finite(self, path, w, part->count);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool has_format(const weights *self, const char *wanted)
{
    char *format = hdf_read_text(self->file, "format", 64);
    bool same = format && strcmp(format, wanted) == 0;
    memory_free(format);
    return same;
}

/* Is this the model of a result file, which a run may be replacing? */
static bool is_result(const weights *self)
{
    return has_format(self, SCHEMA_FORMAT) && strcmp(self->group, SCHEMA_MODEL) == 0;
}

/* A table that is one number. */
static bool read_number(const weights *self, enum table_id id, int64_t *number)
{
    hdf_shape shape;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", schema_tables[id].group, schema_tables[id].columns->name);
    hid_t dataset = hdf_open_dataset(self->file, self->file_name, path, &shape, self->err);
    if (dataset < 0)
        return false;
    bool good = shape.class == H5T_INTEGER && shape.n_dims == 0 &&
                H5Dread(dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, number) >= 0;
    hdf_close(dataset);
    return good || error_user(self->err, "%s: %s is no integer", self->file_name, path);
}

static bool read_all(const weights *self, const tensor *tensors, size_t n_tensors, float *w)
{
    for (size_t i = 0; i < n_tensors; i++)
        if (!read_weights(self, &tensors[i], w + tensors[i].offset))
            return false;
    return true;
}

/* No whole model: why, and what there is. */
static bool refuse_model(const weights *self)
{
    int64_t n_done = 0;
    bool running = place_is_locked(self->file_name);
    if (!read_number(self, TABLE_DONE, &n_done))
        return false;
    if (n_done == 0)
        return error_user(self->err, "%s: holds no model yet: %s", self->file_name,
                          running ? "the first round is going on" : "no round was finished");
    return error_user(self->err, "%s: holds no whole model: round %lld is done, but %s",
                      self->file_name, (long long)n_done,
                      running ? "a model is written after a round that is tested (--eval-every), "
                                "or at the end"
                              : "the model was not written, or not to its end");
}

/* A run may write while we read: then /model/round is another afterwards, and we read once more. */
static bool read_whole(const weights *self, const tensor *tensors, size_t n_tensors, float *w)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (int i = 0; i < ATTEMPTS; i++) {
        int64_t before = 0, after = 0;
        bool running = place_is_locked(self->file_name);
        if (!read_number(self, TABLE_ROUND_OF_MODEL, &before))
            return false;
        if (before != RECORD_NO_MODEL) {
            if (!read_all(self, tensors, n_tensors, w) ||
                !read_number(self, TABLE_ROUND_OF_MODEL, &after))
                return false;
            if (before == after)
                return true;
        }
        if (!running)
            break;
        nanosleep(&pause, NULL);
    }
    return refuse_model(self);
}

static bool check_group(const weights *self)
{
    hid_t group = hdf_open_object(self->file, self->file_name, self->group, self->err);
    if (group < 0)
        return false;
    bool good = H5Iget_type(group) == H5I_GROUP;
    hdf_close(group);
    return good || error_user(self->err, "%s: %s is no group", self->file_name, self->group);
}

/* Without a group: /model where there is one.  It may be somebody else's, with the weights beside it. */
static bool choose_group(weights *self, const tensor *first)
{
    char path[TENSOR_NAME_BYTES + sizeof SCHEMA_MODEL];
    self->group = "/";
    if (has_format(self, RECORD_DOCTOR))
        return error_user(self->err, "%s: is a file of bramble doctor and has no weights",
                          self->file_name);
    if (!hdf_has(self->file, SCHEMA_MODEL))
        return true;
    snprintf(path, sizeof path, "%s/%s", SCHEMA_MODEL, first->name);
    if (!hdf_has(self->file, path) && hdf_has(self->file, first->name))
        return error_user(self->err,
                          "%s: there is no %s; for the weights beside that group write %s:/",
                          self->file_name, path, self->file_name);
    self->group = SCHEMA_MODEL;
    return true;
}

bool direct_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err)
{
    size_t n_bytes;
    char *copy = memory_new(strlen(path) + 1, 1, err);
    if (!copy)
        return false;
    strcpy(copy, path);
    char *group = record_cut_group(copy);
    for (size_t i = group ? strlen(group) : 0; i > 1 && group[i - 1] == '/'; i--)
        group[i - 1] = '\0';
    weights self = {.file_name = copy, .err = err};
    bool good = false;
    if (group && strlen(group) > PATH_BYTES - TENSOR_NAME_BYTES - 2)
        error_user(err, "%.200s...: the name of the group is too long", path);
    else
        good = (self.file = hdf_open(copy, &n_bytes, err)) >= 0;
    if (good) {
        self.group = group;
        good = (group || choose_group(&self, &tensors[0])) && check_group(&self) &&
               (is_result(&self) ? read_whole(&self, tensors, n_tensors, w)
                                 : read_all(&self, tensors, n_tensors, w)) &&
               hdf_check_size(self.file, copy, n_bytes, err);
        hdf_close(self.file);
    }
    memory_free(copy);
    return good;
}
