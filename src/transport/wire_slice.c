#include "wire.h"

size_t wire_slice(size_t n, int rank, int size, size_t *first)
{
    const size_t line = 16; /* floats in a cache line: no two ranks write to the same */
    size_t most = (n / line + (size_t)size) / (size_t)size * line;
    *first = (size_t)rank * most < n ? (size_t)rank * most : n;
    return n - *first < most ? n - *first : most;
}
