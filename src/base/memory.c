#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
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

/*
 * Linux grants more memory than it has, and ends the process that touches it.  So what is large is only
 * asked for when it is there.
 */
static bool is_available(size_t bytes)
{
    enum { LARGE_BYTES = 1 << 24 };
    char line[128];
    unsigned long long kib = SIZE_MAX;
    FILE *file = bytes >= LARGE_BYTES ? fopen("/proc/meminfo", "r") : NULL;
    while (file && fgets(line, sizeof line, file) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
        ;
    if (file)
        fclose(file);
    return bytes / 1024 <= kib;
}

void *memory_new(size_t count, size_t size, error *err)
{
    size_t bytes;
    void *memory = NULL;
    if (memory_multiply(count, size, &bytes) && bytes <= PTRDIFF_MAX - MEMORY_ALIGNMENT) {
        /* A whole number of lines: vectors may be read up to the end of the last one. */
        bytes = (bytes + MEMORY_ALIGNMENT) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
        memory = is_available(bytes) ? aligned_alloc(MEMORY_ALIGNMENT, bytes) : NULL;
    }
    if (!memory) {
        error_environment(err, "out of memory: no room for %.1f MB",
                          (double)count * (double)size / 1e6);
        return NULL;
    }
    return memset(memory, 0, bytes);
}

void memory_free(void *memory)
{
    free(memory);
}
