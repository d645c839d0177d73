#include "state.h"

#include "dataset.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are written as they lie in memory");
_Static_assert(sizeof(float) == 4 && sizeof(double) == 8, "IEEE 754");
_Static_assert(sizeof(off_t) == 8, "compile with _FILE_OFFSET_BITS=64");

bool state_report(record *self, int number, error *err)
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
            return state_report(self, done < 0 ? errno : ENOSPC, err);
        from += done;
        offset += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

bool state_write(record *self, enum table_id id, size_t first, size_t n, const void *rows,
                 error *err)
{
    const schema_table *table = &schema_tables[id];
    for (size_t i = 0; i < table->n_columns; i++) {
        size_t n_bytes = dataset_bytes(schema_column(table, i), self->sizes.n_text_bytes);
        dataset_gather(schema_column(table, i), n_bytes, rows, table->row_bytes, n, self->buffer);
        if (!state_write_bytes(self, self->buffer, n * n_bytes, self->at[id][i] + first * n_bytes,
                               err))
            return false;
    }
    return true;
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
