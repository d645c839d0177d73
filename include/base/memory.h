/*
 * memory.h - checked, aligned, zeroed heap memory
 */
#ifndef BRAMBLE_BASE_MEMORY_H
#define BRAMBLE_BASE_MEMORY_H

#include "base/error.h"

#include <stddef.h>

enum { MEMORY_ALIGNMENT = 64 }; /* bytes: a cache line, and at least a vector of every target */

/*
 * memory_new - count objects of size bytes each, zeroed, aligned to MEMORY_ALIGNMENT
 * Returns NULL with err (environment) when count * size overflows or memory is out; count or size 0
 * gives a valid pointer.  What Linux would grant but does not have counts as out, too.  Release with
 * memory_free.  Not collective.
 */
void *memory_new(size_t count, size_t size, error *err);

/* memory_free - release what memory_new returned; NULL is legal */
void memory_free(void *memory);

/*
 * memory_multiply - *product = a * b
 * Returns false, *product untouched, when that overflows size_t.
 */
bool memory_multiply(size_t a, size_t b, size_t *product);

/* memory_lines - so many bytes, rounded up to whole MEMORY_ALIGNMENTs; at most SIZE_MAX - MEMORY_ALIGNMENT of them */
size_t memory_lines(size_t bytes);

#endif
