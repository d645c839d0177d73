#include "direct.h"

#include "reader.h"
#include "seal.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_RANKS = 1 << 20, PATH_BYTES = 96 };

/* A dataset of floats: [n_rows][n], or [n].  self->n_bytes is what may still be taken. */
static bool read_values(reader *self, checkpoint_values *out)
{
    hdf_shape shape;
    char path[PATH_BYTES], cause[HDF_CAUSE_BYTES];
    snprintf(path, sizeof path, "%s/%s", SCHEMA_CHECKPOINT, out->name);
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return false;
    if (shape.class != H5T_FLOAT || shape.element_bytes != sizeof *out->values ||
        shape.n_dims < 1 || shape.n_dims > 2 || shape.n_elements == 0 ||
        shape.n_elements > self->n_bytes / sizeof *out->values)
        error_user(self->err, "%s: %s does not have the shape of weights", self->path, path);
    else if (hdf_check_written(dataset, self->path, path, &shape, self->err))
        out->values = memory_new(shape.n_elements, sizeof *out->values, self->err);
    if (out->values &&
        H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, out->values) < 0)
        error_user(self->err, "%s: %s cannot be read: %s", self->path, path, hdf_cause(cause));
    hdf_close(dataset);
    for (size_t i = 0; self->err->kind == ERROR_NONE && out->values && i < shape.n_elements; i++)
        if (!isfinite(out->values[i]))
            error_user(self->err, "%s: %s holds a number that is not finite", self->path, path);
    if (self->err->kind != ERROR_NONE)
        return false;
    out->n_rows = shape.n_dims == 2 ? shape.dims[0] : 0;
    out->n = shape.dims[shape.n_dims - 1];
    self->n_bytes -= shape.n_elements * sizeof *out->values;
    return true;
}

static bool is_of_position(const char *name)
{
    const schema_table *table = &schema_tables[TABLE_POSITION];
    for (size_t i = 0; i < table->n_columns; i++)
        if (strcmp(schema_column(table, i)->name, name) == 0)
            return true;
    return false;
}

/* All that stands in the group besides the position. */
static bool read_vectors(reader *self, hid_t group, checkpoint_file *out)
{
    H5G_info_t info = {0};
    if (H5Gget_info(group, &info) < 0 || info.nlinks > DIRECT_MAX_VECTORS)
        return error_user(self->err, "%s: %s holds too much", self->path, SCHEMA_CHECKPOINT);
    out->vectors = memory_new((size_t)info.nlinks, sizeof *out->vectors, self->err);
    bool good = out->vectors != NULL;
    for (hsize_t i = 0; good && i < info.nlinks; i++) {
        checkpoint_values *one = &out->vectors[out->n_vectors];
        ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, one->name,
                                            sizeof one->name, H5P_DEFAULT);
        if (length <= 0 || (size_t)length >= sizeof one->name) {
            good = error_user(self->err, "%s: %s holds a name that is too long", self->path,
                              SCHEMA_CHECKPOINT);
        } else if (!is_of_position(one->name)) {
            good = read_values(self, one);
            out->n_vectors++;
        }
    }
    return good;
}

static bool read_group(reader *self, hid_t group, checkpoint_file *out)
{
    if (H5Iget_type(group) != H5I_GROUP)
        return error_user(self->err, "%s: %s is no group", self->path, SCHEMA_CHECKPOINT);
    out->out = hdf_read_text(group, SCHEMA_OUT, DIRECT_MAX_OUT_BYTES);
    if (!out->out)
        return error_user(self->err, "%s: %s does not name the result file", self->path,
                          SCHEMA_CHECKPOINT);
    return reader_table(self, TABLE_POSITION, 0, &out->position) && read_vectors(self, group, out);
}

static bool read_state(reader *self, checkpoint_file *out)
{
    if (!hdf_has(self->file, SCHEMA_CHECKPOINT))
        return error_user(self->err, "%s: is no checkpoint", self->path);
    hid_t group = hdf_open_object(self->file, self->path, SCHEMA_CHECKPOINT, self->err);
    bool good = group >= 0 && read_group(self, group, out);
    hdf_close(group);
    return good;
}

static bool read_here(checkpoint_file *out, error *err)
{
    reader self = {.path = out->path, .err = err};
    self.file = hdf_open(out->path, &self.n_bytes, err);
    bool good = self.file >= 0 && read_state(&self, out);
    hdf_close(self.file);
    return good;
}

bool direct_check_position(const checkpoint_file *self, error *err)
{
    const record_position *at = &self->position;
    const record_file *past = self->past;
    const size_t n_clients = (size_t)(at->n_clients > 0 ? at->n_clients : at->n_workers);
    bool good = (at->n_clients == -1 || (at->n_clients >= 1 && at->n_clients <= INT32_MAX)) &&
                at->n_workers >= 1 && at->n_workers <= (int64_t)past->n_ranks &&
                past->n_ranks <= MAX_RANKS && at->n_train >= 1 && at->n_train <= UINT32_MAX &&
                at->n_test >= 1 && at->n_test <= UINT32_MAX && at->signal >= 0 &&
                at->signal < 256 && isfinite(at->t_date_s) && past->n_rounds >= 1 &&
                past->model_round < (int64_t)past->n_rounds;
    for (size_t i = 0; i < self->n_vectors; i++)
        good = good && (self->vectors[i].n_rows == 0 || self->vectors[i].n_rows == n_clients);
    return good || error_user(err, "%s: %s does not fit the rest of the file", self->path,
                              SCHEMA_CHECKPOINT);
}

checkpoint_file *direct_read_checkpoint(const char *path, error *err)
{
    checkpoint_file *out = seal_check(path, err) ? memory_new(1, sizeof *out, err) : NULL;
    if (!out)
        return NULL;
    bool good =
        (out->path = memory_new(strlen(path) + 1, 1, err)) && (out->past = direct_read(path, err));
    if (good) {
        strcpy(out->path, path);
        good = read_here(out, err) && direct_check_position(out, err);
    }
    if (good)
        return out;
    checkpoint_file_free(out);
    return NULL;
}
