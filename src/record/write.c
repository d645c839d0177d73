#include "state.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are written as they lie in memory");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE 754");
_Static_assert(sizeof(off_t) == 8, "compile with _FILE_OFFSET_BITS=64");

static bool report(record *self, int number, error *err)
{
    __atomic_store_n(&self->broken, true, __ATOMIC_RELAXED);
    return error_environment(err, "%s: cannot be written: %s", self->path, strerror(number));
}

bool state_write_bytes(record *self, const void *data, size_t n, uint64_t offset, error *err)
{
    const char *from = data;
    while (n > 0) {
        ssize_t done = pwrite(self->fd, from, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return report(self, done < 0 ? errno : ENOSPC, err);
        from += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

static void gather_column(char *to, const schema_column *column, size_t n_bytes, const char *rows,
                          size_t row_bytes, size_t n)
{
    for (size_t i = 0; i < n; i++, to += n_bytes) {
        const char *from = rows + i * row_bytes + column->offset;
        if (column->type == COLUMN_I32) {
            int32_t narrow;
            memcpy(&narrow, from, sizeof narrow);
            int64_t wide = narrow;
            memcpy(to, &wide, sizeof wide);
        } else {
            memcpy(to, from, n_bytes);
        }
    }
}

bool state_write(record *self, enum table_id id, size_t first, size_t n, const void *rows,
                 error *err)
{
    const schema_table *table = &schema_tables[id];
    for (size_t i = 0; i < table->n_columns; i++) {
        size_t n_bytes = schema_element_bytes(&table->columns[i], &self->sizes);
        gather_column(self->buffer, &table->columns[i], n_bytes, rows, table->row_bytes, n);
        if (!state_write_bytes(self, self->buffer, n * n_bytes, self->at[id][i] + first * n_bytes,
                               err))
            return false;
    }
    return true;
}

bool record_sync(record *self, error *err)
{
    if (fdatasync(self->fd) == 0)
        return true;
    return report(self, errno, err);
}

void state_free(record *self)
{
    if (!self)
        return;
    if (self->fd >= 0)
        close(self->fd);
    memory_free(self->path);
    memory_free(self->tensors);
    memory_free(self->tensor_at);
    memory_free(self->vectors);
    memory_free(self->buffer);
    memory_free(self);
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
        good = report(self, errno, err);
    state_free(self);
    return good;
}
