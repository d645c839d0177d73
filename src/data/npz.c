/*
 * NumPy's npz: a zip file of arrays, each with a header that is a dict of Python's.
 * Source: the documentation of numpy.lib.format.
 */
#include "arrays.h"
#include "base/memory.h"
#include "zip.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PREFIX_BYTES = 12, HEADER_MAX = 4096, LABELS_AT_ONCE = 4096, PATH_BYTES = 4096 };

typedef struct npz {
    zip *members;
    char path[PATH_BYTES];
} npz;

static bool claims(const char *spec)
{
    char path[PATH_BYTES], magic[4] = "";
    if (strlen(spec) >= sizeof path)
        return false;
    strcpy(path, spec);
    arrays_cut_names(path);
    size_t n = strlen(path);
    int fd = n > 4 && strcmp(path + n - 4, ".npz") == 0
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    bool is_zip =
        fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "PK", 2) == 0;
    if (fd >= 0)
        close(fd);
    return is_zip;
}

/* ---- headers ----------------------------------------------------------------------------------- */

/* What stands behind 'key': in a dict, or NULL. */
static const char *value_of(const char *dict, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(dict, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

/* "(60000, 28, 28)" */
static bool parse_shape(const char *text, array *what)
{
    what->n_dims = 0;
    if (!text || *text++ != '(')
        return false;
    while (*text && *text != ')') {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        unsigned long long size = strtoull(text, &end, 10);
        if (what->n_dims < ARRAY_MAX_DIMS)
            what->dims[what->n_dims] = size;
        what->n_dims++;
        text = end + strspn(end, ", ");
    }
    return *text == ')';
}

/* The size of an element in bytes; 0: no number that is known. */
static size_t parse_type(const char *text, array *what)
{
    if (!text || *text != '\'')
        return 0;
    size_t n = strcspn(text + 1, "'");
    snprintf(what->type, sizeof what->type, "%.*s", (int)(n < 24 ? n : 24), text + 1);
    const char *type = what->type;
    if (strlen(type) != 3 || !strchr("|<=", type[0]) || !strchr("ui", type[1]) ||
        !strchr("1248", type[2]))
        return 0;
    what->is_whole = true;
    what->is_bytes = strcmp(type + 1, "u1") == 0;
    return (size_t)(type[2] - '0');
}

/* An array that was opened. */
typedef struct member {
    bytes *from;
    uint64_t start; /* of the values */
    size_t element_bytes;
} member;

static bool read_dict(member *self, char dict[HEADER_MAX], error *err)
{
    uint8_t head[PREFIX_BYTES];
    if (!bytes_read(self->from, 0, head, sizeof head, err))
        return false;
    bool is_npy = memcmp(head, "\x93NUMPY", 6) == 0 && head[6] >= 1 && head[6] <= 3;
    size_t at = head[6] == 1 ? 10 : 12, n = head[8] | (size_t)head[9] << 8;
    if (head[6] > 1)
        n |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    if (!is_npy || n >= HEADER_MAX)
        return error_user(err, "no array of NumPy's");
    self->start = at + n;
    memset(dict, 0, HEADER_MAX);
    return bytes_read(self->from, at, dict, n, err);
}

/* Is the file as long as the shape asks for? */
static bool check_length(member *self, const array *what, uint64_t n_bytes, error *err)
{
    size_t n = self->element_bytes;
    for (int i = 0; i < what->n_dims && i < ARRAY_MAX_DIMS; i++)
        if (what->dims[i] > SIZE_MAX || !memory_multiply(n, (size_t)what->dims[i], &n))
            return error_user(err, "has more elements than fit in memory");
    uint64_t length = 0;
    if (n_bytes < self->start || n_bytes - self->start != n)
        return error_user(err, "%llu bytes, its header promises %llu", (unsigned long long)n_bytes,
                          (unsigned long long)(self->start + n));
    if (!bytes_length(self->from, n_bytes, &length, err))
        return false;
    return length == n_bytes || error_user(err, "is cut off");
}

static bool parse_dict(member *self, const char *dict, uint64_t n_bytes, array *what, error *err)
{
    const char *order = value_of(dict, "fortran_order");
    self->element_bytes = parse_type(value_of(dict, "descr"), what);
    if (!parse_shape(value_of(dict, "shape"), what) || !order || !what->type[0])
        return error_user(err, "no array of NumPy's");
    if (strncmp(order, "False", 5) != 0)
        return error_user(err, "is in Fortran's order: store numpy.ascontiguousarray of it");
    /* Of another type it is refused for that, by who knows what it is for. */
    return self->element_bytes == 0 || what->n_dims > ARRAY_MAX_DIMS ||
           check_length(self, what, n_bytes, err);
}

static bool open_member(const npz *self, const char *name, member *out, array *what, error *err)
{
    char file[ARRAY_NAME_BYTES + 8], dict[HEADER_MAX];
    uint64_t n_bytes = 0;
    *what = (array){0};
    *out = (member){0};
    snprintf(what->name, sizeof what->name, "%s", name);
    snprintf(file, sizeof file, "%s.npy", name);
    out->from = zip_member(self->members, file, &n_bytes, err);
    if (!out->from)
        return false;
    error own = {0};
    if (read_dict(out, dict, &own) && parse_dict(out, dict, n_bytes, what, &own))
        return true;
    bytes_free(out->from);
    out->from = NULL;
    /* What bytes.h says names the file already. */
    size_t length = strlen(self->path);
    const char *text =
        strncmp(own.text, self->path, length) == 0 ? own.text + length + 2 : own.text;
    return (own.kind == ERROR_USER ? error_user : error_environment)(err, "%s: %s: %s", self->path,
                                                                     name, text);
}

/* ---- arrays ------------------------------------------------------------------------------------ */

static bool has(void *state, const char *name)
{
    char file[ARRAY_NAME_BYTES + 8];
    snprintf(file, sizeof file, "%s.npy", name);
    return zip_has(((npz *)state)->members, file);
}

static bool describe(void *state, const char *name, array *what, error *err)
{
    member opened;
    if (!open_member(state, name, &opened, what, err))
        return false;
    bytes_free(opened.from);
    return true;
}

static int64_t widen(const uint8_t *at, size_t n, bool is_signed)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | at[i];
    if (is_signed && n < 8 && value >> (8 * n - 1))
        value |= ~(uint64_t)0 << (8 * n);
    return !is_signed && value > INT64_MAX ? -1 : (int64_t)value;
}

static bool labels(void *state, const array *what, int64_t *out, error *err)
{
    member opened;
    array again;
    uint8_t part[LABELS_AT_ONCE];
    if (!open_member(state, what->name, &opened, &again, err))
        return false;
    const size_t n_bytes = opened.element_bytes, n = (size_t)what->dims[0];
    bool good = again.dims[0] == n && again.is_whole && n_bytes > 0;
    if (!good)
        error_environment(err, "%s: changes while it is read", ((npz *)state)->path);
    for (size_t i = 0, k; good && i < n; i += k) {
        k = n - i < sizeof part / n_bytes ? n - i : sizeof part / n_bytes;
        good = bytes_read(opened.from, opened.start + i * n_bytes, part, k * n_bytes, err);
        for (size_t j = 0; good && j < k; j++)
            out[i + j] = widen(part + j * n_bytes, n_bytes, what->type[1] == 'i');
    }
    bytes_free(opened.from);
    return good;
}

static bool images(void *state, const array *what, image_shape shape, enum labelled_layout layout,
                   labelled_set *set, error *err)
{
    member opened;
    array again;
    return open_member(state, what->name, &opened, &again, err) &&
           labelled_from_bytes(set, opened.from, opened.start, image_bytes(shape), layout, err);
}

static void *open_npz(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                      error *err)
{
    (void)seed;
    npz self;
    if (strlen(spec) >= sizeof self.path) {
        error_user(err, "%.100s...: the name is too long", spec);
        return NULL;
    }
    strcpy(self.path, spec);
    const char *names = arrays_cut_names(self.path);
    self.members = zip_open(self.path, err);
    array_file file = {&self, self.path, has, describe, labels, images};
    labelled *opened = self.members ? arrays_open(&file, names, err) : NULL;
    zip_free(self.members);
    return labelled_opened(opened, shape, count);
}

/* Arrays of NumPy's. */
const source_kind source_npz = {
    .name = "npz",
    .claims = claims,
    .open = open_npz,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};
