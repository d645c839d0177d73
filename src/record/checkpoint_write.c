#include "record/checkpoint.h"

#include "place.h"
#include "seal.h"
#include "state.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { COPY_BYTES = 1 << 18 };

struct checkpoint {
    record *image; /* in a file without a name */
    char *previous;
    bool whole; /* what stands at the path may become the previous one */
    int fd;     /* of the newest, for its lock; -1: none yet */
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

checkpoint *checkpoint_new(const char *path, bool force, const record_plan *plan, error *err)
{
    if (!place_check(path, force, "--checkpoint", err))
        return NULL;
    checkpoint *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->fd = -1;
    self->whole = seal_check(path, NULL);
    size_t room = strlen(path) + sizeof CHECKPOINT_PREVIOUS;
    self->previous = memory_new(room, 1, err);
    self->buffer = memory_new(COPY_BYTES, 1, err);
    char *temporary = NULL;
    if (self->previous && self->buffer) {
        snprintf(self->previous, room, "%s%s", path, CHECKPOINT_PREVIOUS);
        if (!is_result(path, self->previous, plan->checkpoint->out, err))
            self->image = state_new(path, plan, &temporary, err);
    }
    if (!self->image || !temporary) {
        checkpoint_free(self);
        return NULL;
    }
    unlink(temporary);
    memory_free(temporary);
    return self;
}

void checkpoint_free(checkpoint *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
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
        size_t left = n * schema_element_bytes(&schema_tables[id].columns[i], &run->sizes), piece;
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

static bool fill_image(checkpoint *self, const record *run, const checkpoint_state *state,
                       error *err)
{
    record *image = self->image;
    size_t n = (size_t)run->n_done, bytes = image->n_weights * sizeof *state->w;
    return copy_table(self, run, TABLE_ROUND, n, err) &&
           copy_table(self, run, TABLE_RANK, n * run->sizes.n_ranks, err) &&
           copy_table(self, run, TABLE_TEST, n, err) &&
           state_write(image, TABLE_DONE, 0, 1, &run->n_done, err) &&
           state_write(image, TABLE_POSITION, 0, 1, &state->position, err) &&
           (!state->model || state_write_model(image, state->model_round, state->model, err)) &&
           state_write_bytes(image, state->w, bytes, image->w_at, err) &&
           (image->n_velocities == 0 ||
            state_write_bytes(image, state->v, image->n_velocities * bytes, image->v_at, err));
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

bool checkpoint_save(checkpoint *self, const record *run, const checkpoint_state *state, error *err)
{
    const char *path = self->image->path;
    char *temporary;
    if (!fill_image(self, run, state, err))
        return false;
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
