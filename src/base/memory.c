#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGED_BYTES = 4 << 20 };

bool memory_multiply(size_t a, size_t b, size_t *product)
{
    size_t result;
    if (__builtin_mul_overflow(a, b, &result))
        return false;
    *product = result;
    return true;
}

size_t memory_lines(size_t bytes)
{
    return (bytes + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
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

/* In pages of 2 MB where the system has them: kernels walk through many planes at once, each in pages of its own. */
static void *large_new(size_t bytes)
{
    enum { PAGE = 2 << 20 };
    void *memory = NULL;
    if (posix_memalign(&memory, PAGE, bytes) != 0)
        return NULL;
    (void)madvise(memory, bytes / PAGE * PAGE, MADV_HUGEPAGE);
    return memory;
}

void *memory_new(size_t count, size_t size, error *err)
{
    size_t bytes;
    void *memory = NULL;
    if (memory_multiply(count, size, &bytes) && bytes <= PTRDIFF_MAX - MEMORY_ALIGNMENT) {
        /* A whole number of lines: vectors may be read up to the end of the last one. */
        bytes = (bytes + MEMORY_ALIGNMENT) / MEMORY_ALIGNMENT * MEMORY_ALIGNMENT;
        if (is_available(bytes))
            memory =
                bytes < PAGED_BYTES ? aligned_alloc(MEMORY_ALIGNMENT, bytes) : large_new(bytes);
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
