#include "data/npy.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX_BYTES = 12, HEADER_MAX = 4096 };

/* What stands behind 'key': in a dict, or NULL. */
static const char *value_of(const char *dict, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(dict, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

/* "(60000, 28, 28)" */
static bool parse_shape(const char *text, npy *what)
{
    what->n_dims = 0;
    if (!text || *text++ != '(')
        return false;
    while (*text && *text != ')') {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        unsigned long long size = strtoull(text, &end, 10);
        if (what->n_dims < NPY_MAX_DIMS)
            what->dims[what->n_dims] = size;
        what->n_dims++;
        text = end + strspn(end, ", ");
    }
    return *text == ')';
}

static void parse_type(const char *text, npy *what)
{
    if (!text || *text != '\'')
        return;
    size_t n = strcspn(text + 1, "'");
    snprintf(what->type, sizeof what->type, "%.*s", (int)(n < 24 ? n : 24), text + 1);
    const char *type = what->type;
    if (strlen(type) != 3 || !strchr("|<=", type[0]) || !strchr("uif", type[1]) ||
        !strchr("1248", type[2]) || strcmp(type + 1, "f1") == 0)
        return;
    what->kind = type[1];
    what->element_bytes = (size_t)(type[2] - '0');
}

static bool read_dict(npy *self, char dict[HEADER_MAX], error *err)
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

/* Is the member as long as the shape asks for? */
static bool check_length(npy *self, uint64_t n_bytes, error *err)
{
    size_t n = self->element_bytes;
    for (int i = 0; i < self->n_dims && i < NPY_MAX_DIMS; i++)
        if (self->dims[i] > SIZE_MAX || !memory_multiply(n, (size_t)self->dims[i], &n))
            return error_user(err, "has more elements than fit in memory");
    return (n_bytes >= self->start && n_bytes - self->start == n) ||
           error_user(err, "%llu bytes, its header promises %llu", (unsigned long long)n_bytes,
                      (unsigned long long)(self->start + n));
}

static bool parse_dict(npy *self, const char *dict, uint64_t n_bytes, error *err)
{
    const char *order = value_of(dict, "fortran_order");
    parse_type(value_of(dict, "descr"), self);
    if (!parse_shape(value_of(dict, "shape"), self) || !order || !self->type[0])
        return error_user(err, "no array of NumPy's");
    if (strncmp(order, "False", 5) != 0)
        return error_user(err, "is in Fortran's order: store numpy.ascontiguousarray of it");
    /* Of another type it is refused for that, by who knows what it is for. */
    return self->element_bytes == 0 || self->n_dims > NPY_MAX_DIMS ||
           check_length(self, n_bytes, err);
}

bool npy_open(npy *self, const zip *from, const char *path, const char *name, error *err)
{
    char file[ZIP_NAME_BYTES + 8], dict[HEADER_MAX];
    uint64_t n_bytes = 0;
    *self = (npy){0};
    snprintf(file, sizeof file, "%s.npy", name);
    self->from = zip_member(from, file, &n_bytes, err);
    if (!self->from)
        return false;
    error own = {0};
    if (read_dict(self, dict, &own) && parse_dict(self, dict, n_bytes, &own) &&
        zip_check(from, file, &own))
        return true;
    bytes_free(self->from);
    self->from = NULL;
    /* What bytes.h says names the file already. */
    size_t length = strlen(path);
    const char *text = strncmp(own.text, path, length) == 0 ? own.text + length + 2 : own.text;
    return (own.kind == ERROR_USER ? error_user : error_environment)(err, "%s: %s: %s", path, name,
                                                                     text);
}
