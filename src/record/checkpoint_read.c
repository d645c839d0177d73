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

enum {
    READ_BYTES = 1 << 16,
    MAX_OUT_BYTES = 4096,
    MAX_RANKS = 1 << 20,
    MAX_LINKS = 64,
    PATH_BYTES = 96
};

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
    for (size_t i = 0; self->err->kind == ERROR_NONE && i < shape.n_elements; i++)
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
        if (strcmp(table->columns[i].name, name) == 0)
            return true;
    return false;
}

/* All that stands in the group besides the position. */
static bool read_vectors(reader *self, hid_t group, checkpoint_file *out)
{
    H5G_info_t info = {0};
    if (H5Gget_info(group, &info) < 0 || info.nlinks > MAX_LINKS)
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

static bool check_position(const reader *self, const checkpoint_file *out)
{
    const record_position *at = &out->position;
    const record_file *past = out->past;
    bool good = at->n_workers >= 1 && at->n_workers <= (int64_t)past->n_ranks &&
                past->n_ranks <= MAX_RANKS && at->n_train >= 1 && at->n_train <= UINT32_MAX &&
                at->n_test >= 1 && at->n_test <= UINT32_MAX && at->signal >= 0 &&
                at->signal < 256 && isfinite(at->t_date_s) && past->n_rounds >= 1 &&
                past->model_round < (int64_t)past->n_rounds;
    for (size_t i = 0; i < out->n_vectors; i++)
        good = good &&
               (out->vectors[i].n_rows == 0 || out->vectors[i].n_rows == (size_t)at->n_workers);
    return good || error_user(self->err, "%s: %s does not fit the rest of the file", self->path,
                              SCHEMA_CHECKPOINT);
}

static bool read_group(reader *self, hid_t group, checkpoint_file *out)
{
    if (H5Iget_type(group) != H5I_GROUP)
        return error_user(self->err, "%s: %s is no group", self->path, SCHEMA_CHECKPOINT);
    out->out = hdf_read_text(group, SCHEMA_OUT, MAX_OUT_BYTES);
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

/* ---- from the process that reads it ------------------------------------------------------------ */

typedef struct head {
    record_position position;
    size_t n_vectors, n_out;
} head;

static size_t n_floats(const checkpoint_values *v)
{
    return v->n * (v->n_rows > 0 ? v->n_rows : 1);
}

static bool work(void *arg, FILE *to, error *err)
{
    checkpoint_file *out = arg;
    if (!read_here(out, err))
        return false;
    head all = {out->position, out->n_vectors, strlen(out->out)};
    fwrite(&all, sizeof all, 1, to);
    for (size_t i = 0; i < out->n_vectors; i++) {
        const checkpoint_values *v = &out->vectors[i];
        fwrite(v, sizeof *v, 1, to);
        fwrite(v->values, sizeof *v->values, n_floats(v), to);
    }
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

static bool take_vector(FILE *in, size_t most_bytes, checkpoint_values *v, error *err)
{
    size_t n, n_bytes;
    bool good = fread(v, sizeof *v, 1, in) == 1;
    v->values = NULL; /* a pointer of another process */
    v->name[sizeof v->name - 1] = '\0';
    return good && memory_multiply(v->n, v->n_rows > 0 ? v->n_rows : 1, &n) &&
           memory_multiply(n, sizeof *v->values, &n_bytes) && n_bytes <= most_bytes &&
           (v->values = take(in, n, sizeof *v->values, err));
}

static bool unpack(checkpoint_file *out, FILE *in, error *err)
{
    struct stat status;
    head all;
    if (fstat(fileno(in), &status) != 0 || fread(&all, sizeof all, 1, in) != 1 ||
        all.n_vectors > MAX_LINKS || all.n_out > MAX_OUT_BYTES)
        return false;
    out->position = all.position;
    out->vectors = memory_new(all.n_vectors, sizeof *out->vectors, err);
    bool good = out->vectors != NULL;
    while (good && out->n_vectors < all.n_vectors)
        good = take_vector(in, (size_t)status.st_size, &out->vectors[out->n_vectors++], err);
    return good && (out->out = take(in, all.n_out, 1, err));
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
    for (size_t i = 0; i < self->n_vectors; i++)
        memory_free(self->vectors[i].values);
    memory_free(self->vectors);
    memory_free(self->out);
    memory_free(self);
}

const checkpoint_values *checkpoint_find(const checkpoint_file *self, const char *name)
{
    for (size_t i = 0; i < self->n_vectors; i++)
        if (strcmp(self->vectors[i].name, name) == 0)
            return &self->vectors[i];
    return NULL;
}
