#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_letter(const char *text, size_t n)
{
    /* the least of what so many bytes are for: nothing is written longer than it need be */
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000}; /* below 0xa0 lie controls */
    const uint8_t *at = (const uint8_t *)text;
    if (n == 0)
        return 0;
    if (at[0] < 0x80)
        return at[0] >= 0x20 && at[0] != 0x7f;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc0 || at[0] >= 0xf8 || n < length)
        return 0;
    uint32_t letter = at[0] & (0x7fU >> length);
    for (size_t k = 1; k < length; k++) {
        if ((at[k] & 0xc0) != 0x80)
            return 0;
        letter = letter << 6 | (at[k] & 0x3fU);
    }
    bool is_half = letter >= 0xd800 && letter < 0xe000; /* of a pair of UTF-16's */
    return letter >= least[length] && letter < 0x110000 && !is_half ? length : 0;
}

bool utf8_is_plain(const char *text, size_t n)
{
    size_t at = 0, length = 1;
    for (; at < n && length > 0; at += length)
        length = utf8_letter(text + at, n - at);
    return length > 0;
}

size_t utf8_fit(const char *text, size_t n, size_t most)
{
    size_t at = 0;
    while (at < n && at < most) {
        size_t length = utf8_letter(text + at, n - at);
        length = length > 0 ? length : 1;
        if (length > most - at)
            break;
        at += length;
    }
    return at;
}

size_t utf8_count(const char *text, size_t most, size_t *n_bytes)
{
    size_t n = strlen(text), letters = 0;
    for (*n_bytes = 0; *n_bytes < n && letters < most; letters++) {
        size_t length = utf8_letter(text + *n_bytes, n - *n_bytes);
        *n_bytes += length > 0 ? length : 1;
    }
    return letters;
}

void utf8_mend(char *text)
{
    for (size_t left = strlen(text), length; left > 0; text += length, left -= length) {
        length = utf8_letter(text, left);
        if (length == 0) {
            *text = '?';
            length = 1;
        }
    }
}
