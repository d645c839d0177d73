#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool memory_multiply(size_t a, size_t b, size_t *product)
{
    size_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

void *memory_new(size_t count, size_t size, error *err)
{
    size_t bytes;
    void *memory = NULL;
    if (memory_multiply(count, size, &bytes) && bytes <= PTRDIFF_MAX - MEMORY_ALIGNMENT) {
        /* A whole number of lines: vectors may be read up to the end of the last one. */
        bytes = (bytes + MEMORY_ALIGNMENT) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
        memory = aligned_alloc(MEMORY_ALIGNMENT, bytes);
    }
    if (!memory) {
        error_environment(err, "out of memory: no room for %zu x %zu bytes", count, size);
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void memory_free(void *memory)
{
    free(memory);
}
