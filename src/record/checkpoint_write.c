#include "record/checkpoint.h"

#include "dataset.h"
#include "record/place.h"
#include "seal.h"
#include "state.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

/* Besides the image there are at times three: the newest, the one before, and the one being written. */
enum { COPY_BYTES = 1 << 18, N_ROOM = 3 };

struct checkpoint {
    record *image; /* in a file without a name */
    char *previous;
    bool whole; /* what stands at the path may become the previous one */
    int fd;     /* of the newest, for its lock; -1: none yet */
    int n_saved;
    int room[N_ROOM]; /* files without a name that keep room for the saves to come; -1: none */
    char *buffer;
};

/* A checkpoint that took the name of the run's result file would take the result too. */
static bool is_result(const char *path, const char *previous, const char *out, error *err)
{
    const char *taken = place_same(path, out) ? path : place_same(previous, out) ? previous : NULL;
    if (taken)
        error_user(err, "--checkpoint %s: %s is the result file; choose another --checkpoint", path,
                   taken);
    return taken != NULL;
}

/* Where the file system cannot keep room it is asked for all there will have to be. */
static bool has_room(int fd, double n_bytes, double all_bytes)
{
    struct statvfs status;
    if (fallocate(fd, 0, 0, (off_t)n_bytes) == 0)
        return true;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return false;
    errno = ENOSPC;
    return fstatvfs(fd, &status) != 0 || status.f_blocks == 0 ||
           (double)status.f_bavail * (double)status.f_frsize >= all_bytes;
}

/* What stands at a name makes room when a checkpoint takes that. */
static double size_of(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 ? (double)status.st_size : 0.0;
}

static bool keep_room(checkpoint *self, error *err)
{
    const char *path = self->image->path;
    double n_bytes = sizeof(seal), sum = 0.0;
    struct stat status;
    if (fstat(self->image->fd, &status) == 0)
        n_bytes += (double)status.st_size;
    const double needed[N_ROOM] = {n_bytes, n_bytes - size_of(self->previous),
                                   n_bytes - size_of(path)};
    for (int i = 0; i < N_ROOM; i++)
        sum += needed[i] > 0.0 ? needed[i] : 0.0;
    for (int i = 0; i < N_ROOM; i++) {
        char *temporary;
        if (needed[i] <= 0.0)
            continue;
        self->room[i] = place_open(path, &temporary, err);
        if (self->room[i] < 0)
            return false;
        (void)unlink(temporary);
        memory_free(temporary);
        if (!has_room(self->room[i], needed[i], sum))
            return error_environment(err,
                                     "%s: cannot be written: %s (%.1f MB needed for checkpoints)",
                                     path, strerror(errno), sum / 1e6);
    }
    return true;
}

static void give_up_room(checkpoint *self, int i)
{
    if (i >= N_ROOM || self->room[i] < 0)
        return;
    close(self->room[i]);
    self->room[i] = -1;
}

static bool make_image(checkpoint *self, const char *path, const record_plan *plan, error *err)
{
    char *temporary = NULL;
    self->image = state_new(path, plan, &temporary, err);
    if (!self->image)
        return false;
    unlink(temporary);
    memory_free(temporary);
    return true;
}

checkpoint *checkpoint_new(const char *path, bool force, const record_plan *plan, error *err)
{
    if (!place_check(path, force, "--checkpoint", err))
        return NULL;
    checkpoint *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->fd = -1;
    for (int i = 0; i < N_ROOM; i++)
        self->room[i] = -1;
    self->whole = seal_check(path, NULL);
    size_t room = strlen(path) + sizeof CHECKPOINT_PREVIOUS;
    self->previous = memory_new(room, 1, err);
    self->buffer = memory_new(COPY_BYTES, 1, err);
    bool good = self->previous && self->buffer;
    if (good)
        snprintf(self->previous, room, "%s%s", path, CHECKPOINT_PREVIOUS);
    if (good && place_check(self->previous, true, "--checkpoint", err) &&
        !is_result(path, self->previous, plan->checkpoint->out, err) &&
        make_image(self, path, plan, err) && keep_room(self, err))
        return self;
    checkpoint_free(self);
    return NULL;
}

void checkpoint_free(checkpoint *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    for (int i = 0; i < N_ROOM; i++)
        give_up_room(self, i);
    state_free(self->image);
    memory_free(self->previous);
    memory_free(self->buffer);
    memory_free(self);
}

static bool read_bytes(int fd, void *data, size_t n, uint64_t offset)
{
    char *to = data;
    while (n > 0) {
        ssize_t done = pread(fd, to, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done < 0 ? errno : EIO;
            return false;
        }
        to += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

/* The first n numbers of every column, from the run's file to ours, which is made alike. */
static bool copy_table(checkpoint *self, const record *run, enum table_id id, size_t n, error *err)
{
    record *image = self->image;
    for (size_t i = 0; i < schema_tables[id].n_columns; i++) {
        size_t left =
                   n * dataset_bytes(schema_column(&schema_tables[id], i), run->sizes.n_text_bytes),
               piece;
        for (uint64_t done = 0; left > 0; done += piece, left -= piece) {
            piece = left < COPY_BYTES ? left : COPY_BYTES;
            if (!read_bytes(run->fd, self->buffer, piece, run->at[id][i] + done))
                return error_environment(err, "%s: cannot be read: %s", run->path, strerror(errno));
            if (!state_write_bytes(image, self->buffer, piece, image->at[id][i] + done, err))
                return false;
        }
    }
    return true;
}

static bool write_vectors(record *image, const checkpoint_vector *vectors, error *err)
{
    for (size_t i = 0; i < image->n_vectors; i++) {
        const state_vector *to = &image->vectors[i];
        if (!state_write_bytes(image, vectors[i].values, to->n_bytes, to->at, err))
            return false;
    }
    return true;
}

static bool copy_clients(checkpoint *self, const record *run, size_t n_rounds, error *err)
{
    const size_t n = run->sizes.n_clients;
    return copy_table(self, run, TABLE_CLIENT, n, err) &&
           copy_table(self, run, TABLE_CLIENT_LABELS, n * run->sizes.n_classes, err) &&
           copy_table(self, run, TABLE_CLIENT_ROUND, n_rounds * n, err);
}

bool checkpoint_take(checkpoint *self, const record *run, const checkpoint_state *state, error *err)
{
    record *image = self->image;
    size_t n = (size_t)run->n_done;
    return copy_table(self, run, TABLE_ROUND, n, err) &&
           copy_table(self, run, TABLE_RANK, n * run->sizes.n_ranks, err) &&
           copy_table(self, run, TABLE_TEST, n, err) &&
           (run->sizes.n_clients == 0 || copy_clients(self, run, n, err)) &&
           state_write(image, TABLE_DONE, 0, 1, &run->n_done, err) &&
           state_write(image, TABLE_POSITION, 0, 1, &state->position, err) &&
           (!state->model || record_add_weights(image, state->model_round, state->model, err)) &&
           write_vectors(image, state->vectors, err);
}

static bool write_all(int fd, const void *data, size_t n)
{
    const char *from = data;
    while (n > 0) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done < 0 ? errno : ENOSPC;
            return false;
        }
        from += done;
        n -= (size_t)done;
    }
    return true;
}

/* The image and its seal. */
static bool write_file(const checkpoint *self, int fd)
{
    struct stat status;
    if (fstat(self->image->fd, &status) != 0)
        return false;
    seal end = {.mark = SEAL_MARK, .n_bytes = (uint64_t)status.st_size};
    uLong crc = crc32(0, NULL, 0);
    size_t piece;
    for (uint64_t done = 0; done < end.n_bytes; done += piece) {
        piece = end.n_bytes - done < COPY_BYTES ? (size_t)(end.n_bytes - done) : COPY_BYTES;
        if (!read_bytes(self->image->fd, self->buffer, piece, done) ||
            !write_all(fd, self->buffer, piece))
            return false;
        crc = crc32(crc, (const Bytef *)self->buffer, (uInt)piece);
    }
    end.crc = crc;
    return write_all(fd, &end, sizeof end) && fsync(fd) == 0;
}

bool checkpoint_publish(checkpoint *self, error *err)
{
    const char *path = self->image->path;
    char *temporary;
    give_up_room(self, self->n_saved);
    int fd = place_open(path, &temporary, err);
    bool good = fd >= 0;
    if (good && !write_file(self, fd))
        good = error_environment(err, "%s: cannot be written: %s", path, strerror(errno));
    if (good) {
        place_lock(fd);
        good = place_replace(temporary, path, self->whole ? self->previous : NULL, err);
    }
    if (good) {
        self->whole = true;
        self->n_saved++;
        if (self->fd >= 0)
            close(self->fd);
        self->fd = fd;
    } else if (fd >= 0) {
        (void)unlink(temporary);
        close(fd);
    }
    memory_free(temporary);
    return good;
}
