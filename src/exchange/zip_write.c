#include "zip_write.h"

#include "base/memory.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

/* No date: the same model gives the same file.  1980-01-01 is the first that there is. */
enum { VERSION = 20, FIRST_DATE = 1 << 5 | 1, LOCAL_BYTES = 30, ENTRY_BYTES = 46, END_BYTES = 22 };
enum { MAX_MEMBERS = 65534 };

typedef struct member {
    char name[512];
    uint32_t crc, n_bytes, at;
} member;

struct zip_writer {
    FILE *to;
    const char *path;
    member *members;
    size_t n, room;
    uint64_t at; /* bytes written */
};

zip_writer *zip_write_new(FILE *to, const char *path, size_t n_members, error *err)
{
    assert(n_members <= MAX_MEMBERS);
    zip_writer *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    *self = (zip_writer){.to = to, .path = path, .room = n_members};
    self->members = memory_new(n_members, sizeof *self->members, err);
    if (self->members)
        return self;
    memory_free(self);
    return NULL;
}

void zip_write_free(zip_writer *self)
{
    if (!self)
        return;
    memory_free(self->members);
    memory_free(self);
}

static void put(zip_writer *self, const void *bytes, size_t n)
{
    fwrite(bytes, 1, n, self->to);
    self->at += n;
}

/* A number of n bytes, the lowest first. */
static uint8_t *number(uint8_t *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (uint8_t)(value >> 8 * i & 0xff);
    return at + n;
}

/* What the head of a member and its line in the list have in common. */
static uint8_t *describe(uint8_t *at, const member *one)
{
    at = number(at, VERSION, 2);
    at = number(at, 0, 2); /* flags */
    at = number(at, 0, 2); /* stored */
    at = number(at, 0, 2); /* time */
    at = number(at, FIRST_DATE, 2);
    at = number(at, one->crc, 4);
    at = number(at, one->n_bytes, 4);
    at = number(at, one->n_bytes, 4);
    at = number(at, strlen(one->name), 2);
    return number(at, 0, 2); /* no extra field */
}

static uint32_t checksum(const zip_part *parts, int n_parts)
{
    uLong crc = crc32(0, NULL, 0);
    for (int i = 0; i < n_parts; i++)
        crc = crc32_z(crc, parts[i].bytes, parts[i].n);
    return (uint32_t)crc;
}

bool zip_write_member(zip_writer *self, const char *name, const zip_part *parts, int n_parts,
                      error *err)
{
    uint8_t head[LOCAL_BYTES] = "PK\3\4";
    uint64_t n = 0;
    member *one = &self->members[self->n];
    assert(self->n < self->room && strlen(name) < sizeof one->name);
    for (int i = 0; i < n_parts; i++)
        n += parts[i].n;
    if (self->at + n > UINT32_MAX - LOCAL_BYTES - sizeof one->name)
        return error_user(err, "%s: would be larger than 4 GiB: write .safetensors", self->path);
    *one =
        (member){.crc = checksum(parts, n_parts), .n_bytes = (uint32_t)n, .at = (uint32_t)self->at};
    strcpy(one->name, name);
    self->n++;
    describe(head + 4, one);
    put(self, head, sizeof head);
    put(self, name, strlen(name));
    for (int i = 0; i < n_parts; i++)
        put(self, parts[i].bytes, parts[i].n);
    return true;
}

static void put_entry(zip_writer *self, const member *one)
{
    uint8_t entry[ENTRY_BYTES] = "PK\1\2";
    uint8_t *at = describe(number(entry + 4, VERSION, 2), one);
    memset(at, 0, 10); /* no comment, one disk, no attributes */
    number(at + 10, one->at, 4);
    put(self, entry, sizeof entry);
    put(self, one->name, strlen(one->name));
}

bool zip_write_end(zip_writer *self, const char *comment, error *err)
{
    uint8_t end[END_BYTES] = "PK\5\6";
    uint64_t list = self->at;
    for (size_t i = 0; i < self->n; i++)
        put_entry(self, &self->members[i]);
    if (self->at > UINT32_MAX)
        return error_user(err, "%s: would be larger than 4 GiB: write .safetensors", self->path);
    uint8_t *at = number(end + 8, self->n, 2);
    at = number(at, self->n, 2);
    at = number(at, self->at - list, 4);
    at = number(at, list, 4);
    number(at, strlen(comment), 2);
    put(self, end, sizeof end);
    put(self, comment, strlen(comment));
    return true;
}
