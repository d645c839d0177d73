#include "record/checkpoint.h"

#include "child.h"
#include "direct.h"
#include "hdf.h"
#include "reader.h"
#include "schema.h"
#include "seal.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { READ_BYTES = 1 << 16, MAX_OUT_BYTES = 4096, MAX_RANKS = 1 << 20 };

/* ---- is it whole? ------------------------------------------------------------------------------ */

static bool seal_matches(int fd, off_t n_bytes)
{
    char buffer[READ_BYTES];
    seal end;
    off_t n = n_bytes - (off_t)sizeof end;
    if (n < 0 || pread(fd, &end, sizeof end, n) != (ssize_t)sizeof end ||
        memcmp(end.mark, SEAL_MARK, sizeof end.mark) != 0 || end.n_bytes != (uint64_t)n)
        return false;
    uLong crc = crc32(0, NULL, 0);
    while (n > 0) {
        ssize_t done = read(fd, buffer, n < READ_BYTES ? (size_t)n : READ_BYTES);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        crc = crc32(crc, (const Bytef *)buffer, (uInt)done);
        n -= done;
    }
    return crc == end.crc;
}

bool seal_check(const char *path, error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_user(err, "%s: cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool regular = S_ISREG(status.st_mode);
    bool good = regular && (double)status.st_size <= SCHEMA_MAX_BYTES + sizeof(seal) &&
                seal_matches(fd, status.st_size);
    if (!good)
        error_user(err,
                   regular ? "%s: is no whole checkpoint"
                           : "%s: is no regular file, expected a checkpoint",
                   path);
    close(fd);
    return good;
}

/* ---- what stands in it ------------------------------------------------------------------------- */

/* One of the vectors of floats: [n_rows][n_weights], or [n_weights] where n_rows is NULL. */
static float *read_vectors(const reader *self, const char *path, size_t *n_rows, size_t *n_weights)
{
    hdf_shape shape;
    char cause[HDF_CAUSE_BYTES];
    hid_t dataset = hdf_open_dataset(self->file, self->path, path, &shape, self->err);
    if (dataset < 0)
        return NULL;
    int n_dims = n_rows ? 2 : 1;
    float *values = NULL;
    if (shape.class != H5T_FLOAT || shape.element_bytes != sizeof *values ||
        shape.n_dims != n_dims || shape.n_elements == 0 ||
        shape.n_elements > self->n_bytes / sizeof *values)
        error_user(self->err, "%s: %s does not have the shape of weights", self->path, path);
    else if (hdf_check_written(dataset, self->path, path, &shape, self->err))
        values = memory_new(shape.n_elements, sizeof *values, self->err);
    if (values && H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        error_user(self->err, "%s: %s cannot be read: %s", self->path, path, hdf_cause(cause));
    hdf_close(dataset);
    for (size_t i = 0; values && self->err->kind == ERROR_NONE && i < shape.n_elements; i++)
        if (!isfinite(values[i]))
            error_user(self->err, "%s: %s holds a number that is not finite", self->path, path);
    if (self->err->kind != ERROR_NONE) {
        memory_free(values);
        return NULL;
    }
    if (n_rows)
        *n_rows = shape.dims[0];
    *n_weights = shape.dims[n_dims - 1];
    return values;
}

static bool check_position(const reader *self, const checkpoint_file *out)
{
    const record_position *at = &out->position;
    const record_file *past = out->past;
    bool good = at->n_workers >= 1 && at->n_workers <= (int64_t)past->n_ranks &&
                past->n_ranks <= MAX_RANKS && at->n_train >= 1 && at->n_train <= UINT32_MAX &&
                at->n_test >= 1 && at->n_test <= UINT32_MAX && at->signal >= 0 &&
                at->signal < 256 && isfinite(at->t_date_s) && past->n_rounds >= 1 &&
                past->model_round < (int64_t)past->n_rounds &&
                (out->n_velocities == 0 || out->n_velocities == (size_t)at->n_workers);
    return good || error_user(self->err, "%s: %s does not fit the rest of the file", self->path,
                              SCHEMA_CHECKPOINT);
}

static bool read_state(reader *self, checkpoint_file *out)
{
    size_t width = 0;
    if (!hdf_has(self->file, SCHEMA_CHECKPOINT))
        return error_user(self->err, "%s: is no checkpoint", self->path);
    hid_t group = hdf_open_object(self->file, self->path, SCHEMA_CHECKPOINT, self->err);
    if (group < 0)
        return false;
    bool has_v = H5Iget_type(group) == H5I_GROUP && hdf_has(group, SCHEMA_MOMENTUM);
    out->out = hdf_read_text(group, SCHEMA_OUT, MAX_OUT_BYTES);
    hdf_close(group);
    if (!out->out)
        return error_user(self->err, "%s: %s does not name the result file", self->path,
                          SCHEMA_CHECKPOINT);
    if (!reader_table(self, TABLE_POSITION, 0, &out->position) ||
        !(out->w = read_vectors(self, SCHEMA_CHECKPOINT "/" SCHEMA_WEIGHTS, NULL, &out->n_weights)))
        return false;
    width = out->n_weights;
    if (has_v && !(out->v = read_vectors(self, SCHEMA_CHECKPOINT "/" SCHEMA_MOMENTUM,
                                         &out->n_velocities, &width)))
        return false;
    if (width != out->n_weights)
        return error_user(self->err, "%s: momentum of %zu weights, but there are %zu", self->path,
                          width, out->n_weights);
    return true;
}

static bool read_here(checkpoint_file *out, error *err)
{
    reader self = {.path = out->path, .err = err};
    self.file = hdf_open(out->path, &self.n_bytes, err);
    bool good = self.file >= 0 && read_state(&self, out);
    hdf_close(self.file);
    return good;
}

/* ---- from the process that reads it ------------------------------------------------------------ */

typedef struct head {
    record_position position;
    size_t n_weights, n_velocities, n_out;
} head;

static bool work(void *arg, FILE *to, error *err)
{
    checkpoint_file *out = arg;
    if (!read_here(out, err))
        return false;
    head all = {out->position, out->n_weights, out->n_velocities, strlen(out->out)};
    fwrite(&all, sizeof all, 1, to);
    fwrite(out->w, sizeof *out->w, out->n_weights, to);
    if (out->v)
        fwrite(out->v, sizeof *out->v, out->n_weights * out->n_velocities, to);
    fwrite(out->out, 1, all.n_out, to);
    return true;
}

static void *take(FILE *in, size_t n, size_t n_bytes, error *err)
{
    char *to = memory_new(n + 1, n_bytes, err); /* the last byte ends a text */
    if (to && fread(to, n_bytes, n, in) == n)
        return to;
    memory_free(to);
    return NULL;
}

static bool unpack(checkpoint_file *out, FILE *in, error *err)
{
    struct stat status;
    head all;
    size_t n_v, n_floats, n_bytes;
    if (fstat(fileno(in), &status) != 0 || fread(&all, sizeof all, 1, in) != 1 ||
        !memory_multiply(all.n_weights, all.n_velocities, &n_v) ||
        __builtin_add_overflow(n_v, all.n_weights, &n_floats) ||
        !memory_multiply(n_floats, sizeof *out->w, &n_bytes) || n_bytes > (size_t)status.st_size ||
        all.n_out > MAX_OUT_BYTES)
        return false;
    out->position = all.position;
    out->n_weights = all.n_weights;
    out->n_velocities = all.n_velocities;
    return (out->w = take(in, all.n_weights, sizeof *out->w, err)) &&
           (n_v == 0 || (out->v = take(in, n_v, sizeof *out->v, err))) &&
           (out->out = take(in, all.n_out, 1, err));
}

static bool read_in_child(checkpoint_file *out, error *err)
{
    FILE *in = child_run(out->path, work, out, err);
    if (!in)
        return false;
    bool good = unpack(out, in, err);
    fclose(in);
    return good ||
           error_user(err, "%s: is damaged: what HDF5 reads from it does not add up", out->path);
}

static checkpoint_file *read_one(const char *path, bool direct, error *err)
{
    checkpoint_file *out = seal_check(path, err) ? memory_new(1, sizeof *out, err) : NULL;
    if (!out)
        return NULL;
    reader self = {.path = path, .err = err};
    bool good = (out->path = memory_new(strlen(path) + 1, 1, err)) &&
                (out->past = (direct ? direct_read : record_read)(path, err));
    if (good) {
        strcpy(out->path, path);
        good = (direct ? read_here : read_in_child)(out, err) && check_position(&self, out);
    }
    if (good)
        return out;
    checkpoint_file_free(out);
    return NULL;
}

checkpoint_file *direct_read_checkpoint(const char *path, error *err)
{
    return read_one(path, true, err);
}

checkpoint_file *checkpoint_read(const char *path, error *warning, error *err)
{
    error newest = {0}, older = {0};
    size_t room = strlen(path) + sizeof CHECKPOINT_PREVIOUS;
    char *previous = memory_new(room, 1, err);
    if (!previous)
        return NULL;
    snprintf(previous, room, "%s%s", path, CHECKPOINT_PREVIOUS);
    checkpoint_file *out = read_one(path, false, &newest);
    if (!out && (out = read_one(previous, false, &older))) {
        error_user(warning, "%.500s; going on from %.200s, of round %zu", newest.text, previous,
                   out->past->n_rounds);
    } else if (!out) {
        bool is_there = access(previous, F_OK) == 0;
        error_user(err, "%.500s%s%.200s", newest.text,
                   is_there ? "; nor can the previous be used: " : "", is_there ? older.text : "");
    }
    memory_free(previous);
    return out;
}

void checkpoint_file_free(checkpoint_file *self)
{
    if (!self)
        return;
    record_file_free(self->past);
    memory_free(self->path);
    memory_free(self->w);
    memory_free(self->v);
    memory_free(self->out);
    memory_free(self);
}
