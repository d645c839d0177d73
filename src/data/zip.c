#include "data/zip.h"

#include "base/memory.h"

#include <string.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    END_COMMENT = ZIP_MAX_COMMENT,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    ZIP64_EXTRA = 1,
    PIECE_BYTES = 1 << 14
};
enum { STORED = 0, DEFLATED = 8 };

struct zip {
    bytes *file;
    uint64_t n_bytes; /* of the file */
    uint8_t *list;
    size_t list_bytes;
    bool *is_checked; /* of the member whose line begins at that place of the list / ENTRY_BYTES */
    char *comment;
};

/* One line of the list. */
typedef struct entry {
    const uint8_t *name;
    size_t name_bytes;
    size_t place; /* in the list */
    unsigned flags, method;
    uint32_t crc; /* of what is unpacked */
    uint64_t packed, unpacked, at;
} entry;

static uint64_t number(const uint8_t *at, int n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

static bool refuse(const zip *self, const char *what, error *err)
{
    return error_user(err, "%s: %s", bytes_path(self->file), what);
}

/* ---- the list ---------------------------------------------------------------------------------- */

static bool keep_comment(zip *self, const uint8_t *text, size_t n, error *err)
{
    self->comment = memory_new(n + 1, 1, err);
    if (self->comment && n > 0)
        memcpy(self->comment, text, n);
    return self->comment != NULL;
}

/* The end of the file says where the list is; a comment may be behind it. */
static bool read_end(zip *self, uint8_t end[END_BYTES], error *err)
{
    size_t n =
        self->n_bytes < END_BYTES + END_COMMENT ? (size_t)self->n_bytes : END_BYTES + END_COMMENT;
    uint8_t *tail = memory_new(n, 1, err);
    bool good = tail && bytes_read(self->file, self->n_bytes - n, tail, n, err), found = false;
    for (size_t i = n; good && !found && i >= END_BYTES; i--) {
        const uint8_t *at = tail + i - END_BYTES;
        found = memcmp(at, "PK\5\6", 4) == 0;
        if (found) {
            memcpy(end, at, END_BYTES);
            good = keep_comment(self, at + END_BYTES, n - i, err);
        }
    }
    memory_free(tail);
    return good && (found || refuse(self, "no zip file, or its end is cut off", err));
}

static bool read_list(zip *self, error *err)
{
    uint8_t end[END_BYTES];
    uint64_t length = 0;
    if (bytes_packed(self->file))
        return refuse(self, "no zip file", err);
    if (!bytes_length(self->file, UINT64_MAX - 1, &self->n_bytes, err) || !read_end(self, end, err))
        return false;
    length = number(end + 12, 4);
    uint64_t at = number(end + 16, 4);
    if (at == UINT32_MAX)
        return refuse(self, "is larger than 4 GiB: put the arrays into an HDF5 file", err);
    if (length > ZIP_MAX_LIST_BYTES || number(end + 10, 2) > ZIP_MAX_MEMBERS)
        return refuse(self, "has too many members", err);
    if (at > self->n_bytes || length > self->n_bytes - at)
        return refuse(self, "is damaged: its list of members is not there", err);
    self->list = memory_new((size_t)length, 1, err);
    self->list_bytes = (size_t)length;
    self->is_checked =
        memory_new(self->list_bytes / ENTRY_BYTES + 1, sizeof *self->is_checked, err);
    return self->list && self->is_checked &&
           bytes_read(self->file, at, self->list, (size_t)length, err);
}

zip *zip_open(const char *path, error *err)
{
    zip *self = memory_new(1, sizeof *self, err);
    if (self && (self->file = bytes_open(path, err)) && read_list(self, err))
        return self;
    zip_free(self);
    return NULL;
}

void zip_free(zip *self)
{
    if (!self)
        return;
    bytes_free(self->file);
    memory_free(self->list);
    memory_free(self->is_checked);
    memory_free(self->comment);
    memory_free(self);
}

/* ---- members ----------------------------------------------------------------------------------- */

/* Sizes of 64 bits, for each that is not there in 32. */
static void read_extra(entry *self, const uint8_t *extra, size_t n)
{
    uint64_t *wide[] = {&self->unpacked, &self->packed, &self->at};
    while (n >= 4) {
        size_t length = (size_t)number(extra + 2, 2);
        bool is_wide = number(extra, 2) == ZIP64_EXTRA;
        extra += 4;
        n -= 4;
        length = length < n ? length : n;
        for (size_t k = 0, at = 0; is_wide && k < 3; k++)
            if (*wide[k] == UINT32_MAX && at + 8 <= length) {
                *wide[k] = number(extra + at, 8);
                at += 8;
            }
        extra += length;
        n -= length;
    }
}

/* The entry at a place of the list, and the place of the next; false: no more, or damaged. */
static bool next_entry(const zip *self, size_t *place, entry *out)
{
    if (self->list_bytes - *place < ENTRY_BYTES)
        return false;
    const uint8_t *at = self->list + *place;
    size_t name = (size_t)number(at + 28, 2), extra = (size_t)number(at + 30, 2),
           comment = (size_t)number(at + 32, 2);
    if (memcmp(at, "PK\1\2", 4) != 0 ||
        self->list_bytes - *place - ENTRY_BYTES < name + extra + comment)
        return false;
    *out = (entry){.name = at + ENTRY_BYTES,
                   .name_bytes = name,
                   .place = *place,
                   .flags = (unsigned)number(at + 8, 2),
                   .method = (unsigned)number(at + 10, 2),
                   .crc = (uint32_t)number(at + 16, 4),
                   .packed = number(at + 20, 4),
                   .unpacked = number(at + 24, 4),
                   .at = number(at + 42, 4)};
    read_extra(out, at + ENTRY_BYTES + name, extra);
    *place += ENTRY_BYTES + name + extra + comment;
    return true;
}

static bool find(const zip *self, const char *name, entry *out)
{
    size_t place = 0;
    while (next_entry(self, &place, out))
        if (out->name_bytes == strlen(name) && memcmp(out->name, name, out->name_bytes) == 0)
            return true;
    return false;
}

bool zip_has(const zip *self, const char *name)
{
    entry found;
    return find(self, name, &found);
}

bool zip_next(const zip *self, size_t *place, char name[ZIP_NAME_BYTES])
{
    entry found;
    if (!next_entry(self, place, &found))
        return false;
    bool fits = found.name_bytes < ZIP_NAME_BYTES && !memchr(found.name, '\0', found.name_bytes);
    size_t n = fits ? found.name_bytes : 0;
    memcpy(name, found.name, n);
    name[n] = '\0';
    return true;
}

const char *zip_comment(const zip *self)
{
    return self->comment;
}

bytes *zip_member(const zip *self, const char *name, uint64_t *n, error *err)
{
    entry found;
    uint8_t local[LOCAL_BYTES];
    if (!find(self, name, &found)) {
        error_user(err, "%s: has no member %s", bytes_path(self->file), name);
        return NULL;
    }
    if ((found.flags & 1) || (found.method != STORED && found.method != DEFLATED)) {
        error_user(err, "%s: %s is encrypted, or packed by another method than deflate",
                   bytes_path(self->file), name);
        return NULL;
    }
    if (found.at > self->n_bytes || self->n_bytes - found.at < LOCAL_BYTES ||
        (found.method == STORED && found.packed != found.unpacked)) {
        error_user(err, "%s: is damaged: %s is not where its list of members says",
                   bytes_path(self->file), name);
        return NULL;
    }
    if (!bytes_read(self->file, found.at, local, sizeof local, err))
        return NULL;
    uint64_t start = found.at + LOCAL_BYTES + number(local + 26, 2) + number(local + 28, 2);
    *n = found.unpacked;
    return bytes_part(self->file, start, found.packed,
                      found.method == STORED ? PACKING_NONE : PACKING_DEFLATE, err);
}

/* The checksum of n bytes, and whether there are no more. */
static bool sum_up(bytes *from, uint64_t n, uint32_t *sum, error *err)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t length = 0;
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t done = 0, part; done < n; done += part) {
        part = n - done < sizeof piece ? n - done : sizeof piece;
        if (!bytes_read(from, done, piece, (size_t)part, err))
            return false;
        crc = crc32(crc, piece, (uInt)part);
    }
    *sum = (uint32_t)crc;
    return bytes_length(from, n, &length, err);
}

bool zip_check(const zip *self, const char *name, error *err)
{
    entry found = {0};
    uint64_t n = 0;
    uint32_t sum = 0;
    if (find(self, name, &found) && self->is_checked[found.place / ENTRY_BYTES])
        return true;
    bytes *from = zip_member(self, name, &n, err);
    bool good = from && sum_up(from, n, &sum, err);
    bytes_free(from);
    if (good && sum != found.crc)
        return refuse(
            self, "is damaged: its bytes do not fit their checksum; fetch or write the file anew",
            err);
    if (good)
        self->is_checked[found.place / ENTRY_BYTES] = true;
    return good;
}
