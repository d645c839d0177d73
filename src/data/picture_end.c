#include "data/picture.h"

#include <string.h>

enum { PNG_HEAD = 8, PNG_CHUNK = 12, BMP_HEAD = 14, LONGEST_MAGIC = 8 };
enum {
    TEMPORARY = 0x01,
    RESTART = 0xd0,
    RESTART_LAST = 0xd7,
    END = 0xd9,
    SCAN = 0xda,
    FILL = 0xff
};

static uint32_t high_first(const uint8_t *at, int n_bytes)
{
    uint32_t sum = 0;
    while (n_bytes-- > 0)
        sum = sum << 8 | *at++;
    return sum;
}

/* Chunk after chunk, up to the one that says so. */
static size_t png(picture_end *self, const uint8_t *data, size_t n)
{
    self->at = self->at < PNG_HEAD ? PNG_HEAD : self->at;
    while (self->at <= PICTURE_MAX_BYTES && n >= self->at + PNG_CHUNK) {
        const uint8_t *chunk = data + self->at;
        size_t next = self->at + PNG_CHUNK + high_first(chunk, 4);
        if (memcmp(chunk + 4, "IEND", 4) == 0)
            return next <= n ? next : 0;
        self->at = next;
    }
    return 0;
}

/* From a marker's sign over to the next; false: none is here, or not all of it. */
static bool pass_marker(picture_end *self, const uint8_t *data, size_t n)
{
    const uint8_t *at = data + self->at;
    if (n - self->at < 2 || at[0] != FILL)
        return false;
    const bool bare = at[1] == TEMPORARY || (at[1] >= RESTART && at[1] <= RESTART_LAST) ||
                      at[1] == RESTART_LAST + 1;
    if (at[1] == FILL || bare) {
        self->at += at[1] == FILL ? 1 : 2;
        return true;
    }
    if (n - self->at < 4)
        return false;
    self->in_scan = at[1] == SCAN;
    self->at += 2 + high_first(at + 2, 2);
    return true;
}

/* Behind a scan's head: up to a sign that is neither part of the data nor a restart. */
static bool pass_scan(picture_end *self, const uint8_t *data, size_t n)
{
    for (; self->at + 1 < n; self->at++) {
        const uint8_t *at = memchr(data + self->at, FILL, n - 1 - self->at);
        if (!at) {
            self->at = n - 1;
            return false;
        }
        self->at = (size_t)(at - data);
        if (at[1] != 0 && (at[1] < RESTART || at[1] > RESTART_LAST) && at[1] != FILL) {
            self->in_scan = false;
            return true;
        }
    }
    return false;
}

/* SIZE_MAX: where a marker should be, there is none. */
static size_t jpeg(picture_end *self, const uint8_t *data, size_t n)
{
    while (self->at + 1 < n) {
        if (!self->in_scan && data[self->at] == FILL && data[self->at + 1] == END)
            return self->at + 2;
        if (!self->in_scan && data[self->at] != FILL)
            return SIZE_MAX;
        if (!(self->in_scan ? pass_scan : pass_marker)(self, data, n))
            return 0;
    }
    return 0;
}

/* The file says how long it is; SIZE_MAX: less than its own head. */
static size_t bmp(const uint8_t *data, size_t n)
{
    size_t length = data[2] | (size_t)data[3] << 8 | (size_t)data[4] << 16 | (size_t)data[5] << 24;
    if (length < BMP_HEAD || length > PICTURE_MAX_BYTES)
        return SIZE_MAX;
    return length <= n ? length : 0;
}

bool picture_end_find(picture_end *self, const char *name, const uint8_t *data, size_t n,
                      size_t *length, error *err)
{
    *length = 0;
    if (n < LONGEST_MAGIC)
        return true;
    if (memcmp(data, "\x89PNG\r\n\x1a\n", PNG_HEAD) == 0)
        *length = png(self, data, n);
    else if (memcmp(data, "\xff\xd8\xff", 3) == 0)
        *length = jpeg(self, data, n);
    else if (memcmp(data, "BM", 2) == 0)
        *length = bmp(data, n);
    else
        return error_user(err, "%s: no PNG, JPEG or BMP picture begins here", name);
    if (*length == SIZE_MAX)
        return error_user(err, "%s: a damaged picture: its end cannot be told", name);
    return (*length == 0 ? n : *length) <= PICTURE_MAX_BYTES ||
           error_user(err, "%s: a picture of more than %d bytes", name, PICTURE_MAX_BYTES);
}
