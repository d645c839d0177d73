/* One target as a libFuzzer program: FUZZ is its function, FUZZ_HDF5 says whether it reads HDF5. */
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    FUZZ(data, n);
    return 0;
}

#if FUZZ_HDF5

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed);

enum { WINDOW = 64 };

/*
 * Most of an HDF5 file are addresses and lengths, which inserted bytes would all make wrong at once.  So
 * mostly a small window is changed in place, at the start of which the signature of a structure or any
 * number may stand; and mostly the checksums are set right afterwards.
 */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned seed)
{
    uint8_t window[WINDOW];
    uint32_t random = seed * 2654435761U + 12345U;
    if (n < WINDOW || (random >> 28) == 0)
        return LLVMFuzzerMutate(data, n, most);
    for (unsigned i = 0; i <= (random >> 24) % 4; i++) {
        random = random * 1664525U + 1013904223U;
        size_t length = 1 + (random >> 8) % WINDOW, at = (random >> 4) % (n - WINDOW + 1);
        memcpy(window, data + at, length);
        LLVMFuzzerMutate(window, length, length);
        memcpy(data + at, window, length);
    }
    if ((random >> 26) % 8 != 0)
        fuzz_mend_hdf5(data, n);
    return n;
}

#endif
