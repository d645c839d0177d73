#include "record/record.h"

#include "hdf.h"
#include "record/place.h"
#include "state.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

record *record_create(const char *path, bool force, const record_plan *plan, error *err)
{
    char *temporary;
    const char *option = plan->option ? plan->option : "--out";
    record *self =
        place_check(path, force, option, err) ? state_new(path, plan, &temporary, err) : NULL;
    if (!self)
        return NULL;
    bool good = record_sync(self, err);
    if (good) {
        place_lock(self->fd);
        good = place_publish(temporary, path, force, err);
    }
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    if (good)
        return self;
    state_free(self);
    return NULL;
}

bool record_sync(record *self, error *err)
{
    if (fdatasync(self->fd) == 0)
        return true;
    return state_report(self, errno, err);
}

bool record_add_round(record *self, size_t round, const record_round *row, const record_rank *ranks,
                      error *err)
{
    assert(round < self->sizes.n_rounds &&
           round <= (size_t)self->n_done); /* n_done leaves no gaps */
    if (!state_write(self, TABLE_RANK, round * self->sizes.n_ranks, self->n_present, ranks, err) ||
        !state_write(self, TABLE_ROUND, round, 1, row, err))
        return false;
    if ((int64_t)round == self->n_done) {
        int64_t n_done = self->n_done + 1;
        if (!state_write(self, TABLE_DONE, 0, 1, &n_done, err))
            return false;
        self->n_done = n_done;
    }
    return true;
}

bool record_add_test(record *self, size_t round, const record_test *row, error *err)
{
    assert(round < self->sizes.n_rounds);
    return state_write(self, TABLE_TEST, round, 1, row, err);
}

bool record_add_weights(record *self, int64_t round, const float *w, error *err)
{
    int64_t none = RECORD_NO_MODEL;
    assert(round >= -1 && round < (int64_t)self->sizes.n_rounds);
    if (!state_write(self, TABLE_ROUND_OF_MODEL, 0, 1, &none, err))
        return false;
    for (size_t i = 0; i < self->n_tensors; i++) {
        const tensor *part = &self->tensors[i];
        if (!state_write_bytes(self, w + part->offset, part->count * sizeof *w, self->tensor_at[i],
                               err))
            return false;
    }
    return state_write(self, TABLE_ROUND_OF_MODEL, 0, 1, &round, err);
}

bool record_add_confusion(record *self, const int64_t *counts, error *err)
{
    size_t n = self->sizes.n_classes * self->sizes.n_classes;
    return state_write(self, TABLE_CONFUSION, 0, n, counts, err);
}

bool record_add_shards(record *self, const int64_t *labels, size_t n_ranks, error *err)
{
    assert(n_ranks <= self->sizes.n_ranks);
    return state_write(self, TABLE_SHARDS, 0, n_ranks * self->sizes.n_classes, labels, err);
}

bool record_add_clients(record *self, const record_client *rows, const int64_t *labels, error *err)
{
    const size_t n = self->sizes.n_clients;
    return state_write(self, TABLE_CLIENT, 0, n, rows, err) &&
           state_write(self, TABLE_CLIENT_LABELS, 0, n * self->sizes.n_classes, labels, err);
}

bool record_add_client_rounds(record *self, size_t round, const record_client_round *rows,
                              error *err)
{
    const size_t n = self->sizes.n_clients;
    assert(round < self->sizes.n_rounds);
    return state_write(self, TABLE_CLIENT_ROUND, round * n, n, rows, err);
}

bool record_add_summary(record *self, const record_summary *summary, error *err)
{
    return state_write(self, TABLE_SUMMARY, 0, 1, summary, err) && record_sync(self, err);
}

bool record_add_progress(record *self, const record_progress *progress, error *err)
{
    return state_write(self, TABLE_PROGRESS, 0, 1, progress, err);
}

bool record_add_stall(record *self, size_t rank, const record_stall *row, error *err)
{
    assert(rank < self->sizes.n_ranks);
    return state_write(self, TABLE_STALL, rank, 1, row, err);
}

bool record_close(record *self, error *err)
{
    if (!self)
        return true;
    bool told = self->broken, good = told || record_sync(self, err);
    int fd = self->fd;
    self->fd = -1;
    if (close(fd) != 0 && good && !told)
        good = state_report(self, errno, err);
    state_free(self);
    return good;
}

const char *record_version(void)
{
    static char text[32];
    unsigned major = 0, minor = 0, release = 0;
    hdf_quiet();
    (void)H5get_libversion(&major, &minor, &release);
    snprintf(text, sizeof text, "HDF5 %u.%u.%u", major, minor, release);
    return text;
}
