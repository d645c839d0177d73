#include "picture_parts.h"

#include <stdbool.h>

enum { HEAD_BYTES = 8, ENTRY_BYTES = 12, ORIENTATION = 0x0112, SHORT = 3, TURNS = 8 };

/* Bytes whose order the first two tell; none beyond the end is looked at. */
typedef struct tiff {
    const uint8_t *data;
    size_t n;
    bool low_first;
} tiff;

static uint32_t number(const tiff *self, size_t at, size_t n_bytes)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n_bytes; i++)
        sum = sum << 8 | self->data[at + (self->low_first ? n_bytes - 1 - i : i)];
    return sum;
}

/* Only the first directory, in which cameras put it. */
int picture_exif(const uint8_t *data, size_t n)
{
    const tiff self = {data, n, n > 0 && data[0] == 'I'};
    if (n < HEAD_BYTES || data[0] != data[1] || (data[0] != 'I' && data[0] != 'M') ||
        number(&self, 2, 2) != 42)
        return 1;
    size_t at = number(&self, 4, 4);
    if (at > n - 2)
        return 1;
    size_t left = number(&self, at, 2);
    for (at += 2; left > 0 && n - at >= ENTRY_BYTES; left--, at += ENTRY_BYTES) {
        if (number(&self, at, 2) != ORIENTATION)
            continue;
        uint32_t turn = number(&self, at + 8, 2);
        bool known =
            number(&self, at + 2, 2) == SHORT && number(&self, at + 4, 4) == 1 && turn <= TURNS;
        return known && turn > 0 ? (int)turn : 1;
    }
    return 1;
}
