/* NumPy's npz: a zip file with an array in each member, and what else there is to say in the file's comment, as JSON. */
#include "exchange/exchange.h"

#include "base/memory.h"
#include "data/npy.h"
#include "show/output.h"
#include "zip_write.h"

#include <stdlib.h>
#include <string.h>

static bool recognises(const uint8_t *head, size_t n, uint64_t n_bytes)
{
    static const char pickle[] = "/data.pkl"; /* the first member of torch.save's files */
    return n_bytes >= 22 && n >= 4 &&
           (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0) &&
           !memmem(head, n, pickle, sizeof pickle - 1);
}

/* ---- writing ----------------------------------------------------------------------------------- */

enum { NPY_HEAD = 10, NPY_ALIGNMENT = 64, NPY_HEADER_BYTES = 256 };

/* What is before the numbers: padded so that these begin at a multiple of 64 bytes. */
static size_t npy_header(char header[NPY_HEADER_BYTES], const exchange_array *one)
{
    static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    char shape[24 * EXCHANGE_MAX_DIMS] = "";
    for (int i = 0, at = 0; i < one->n_dims; i++)
        at += snprintf(shape + at, sizeof shape - (size_t)at, "%zu%s", one->dims[i],
                       one->n_dims == 1      ? ","
                       : i + 1 < one->n_dims ? ", "
                                             : "");
    int n = snprintf(header + NPY_HEAD, NPY_HEADER_BYTES - NPY_HEAD,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                     one->values ? "<f4" : "<i8", shape);
    size_t end = NPY_HEAD + (size_t)n + 1;
    size_t padded = (end + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT;
    memset(header + end - 1, ' ', padded - end);
    header[padded - 1] = '\n';
    memcpy(header, magic, sizeof magic);
    header[8] = (char)((padded - NPY_HEAD) & 0xff);
    header[9] = (char)((padded - NPY_HEAD) >> 8);
    return padded;
}

static bool add_array(zip_writer *to, const exchange_array *one, error *err)
{
    const int64_t zero = 0;
    char header[NPY_HEADER_BYTES], name[EXCHANGE_NAME_BYTES + 8];
    size_t n = npy_header(header, one);
    snprintf(name, sizeof name, "%s.npy", one->name);
    zip_part parts[] = {{header, n},
                        {one->values ? (const void *)one->values : &zero,
                         one->values ? one->count * sizeof *one->values : sizeof zero}};
    return zip_write_member(to, name, parts, 2, err);
}

static char *describe(const exchange_model *from, error *err)
{
    exchange_pair pairs[EXCHANGE_PAIRS];
    json_t *all = exchange_pairs(from, pairs, err) ? json_object() : NULL;
    if (!all)
        return NULL;
    for (int i = 0; i < EXCHANGE_PAIRS; i++)
        json_object_set_new(all, pairs[i].name, json_string(pairs[i].value));
    exchange_pairs_release(pairs);
    char *text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (!text)
        error_environment(err, "%s: out of memory", from->path);
    return text;
}

static bool write_npz(const exchange_model *from, const exchange_out *out, error *err)
{
    size_t n;
    exchange_array *list = exchange_list(from, &n, err);
    char *comment = list ? describe(from, err) : NULL;
    bool good = comment && (strlen(comment) <= ZIP_MAX_COMMENT ||
                            error_user(err,
                                       "%s: model and names of classes take %zu bytes, and the "
                                       "comment of a zip file has %d: write .safetensors",
                                       out->path, strlen(comment), ZIP_MAX_COMMENT));
    zip_writer *to = good ? zip_write_new(out->stream, out->path, n, err) : NULL;
    for (size_t i = 0; to && good && i < n; i++)
        good = add_array(to, &list[i], err);
    good = to && good && zip_write_end(to, comment, err);
    zip_write_free(to);
    free(comment);
    memory_free(list);
    return good;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static bool is_whole(const npy *from)
{
    return from->kind == 'i' && from->element_bytes == 8;
}

static bool find_number(const npy *from, enum exchange_number *number)
{
    *number = from->element_bytes == 4   ? EXCHANGE_F32
              : from->element_bytes == 2 ? EXCHANGE_F16
                                         : EXCHANGE_F64;
    return from->kind == 'f';
}

/* A few at a time: what the file has may be twice as large. */
static bool read_values(const npy *from, enum exchange_number number, exchange_array *to,
                        error *err)
{
    enum { AT_ONCE = 8192 };
    uint8_t part[AT_ONCE * sizeof(double)];
    for (size_t i = 0, n; i < to->count; i += n) {
        n = to->count - i < AT_ONCE ? to->count - i : AT_ONCE;
        if (!bytes_read(from->from, from->start + i * from->element_bytes, part,
                        n * from->element_bytes, err))
            return false;
        exchange_floats(number, part, n, to->values + i);
    }
    return true;
}

static bool take(const npy *from, const char *path, const char *name, exchange_file *out,
                 error *err)
{
    size_t dims[NPY_MAX_DIMS];
    enum exchange_number number;
    bool floats = find_number(from, &number);
    if (!floats && !is_whole(from))
        return error_user(err, "%s: %s is of type %s; <f4, <f2, <f8 and <i8 are read", path, name,
                          from->type);
    for (int i = 0; i < from->n_dims && i < NPY_MAX_DIMS; i++)
        dims[i] = (size_t)from->dims[i];
    exchange_array *one = exchange_file_add(out, name, from->n_dims, dims, floats, err);
    if (!one)
        return error_prefix(err, "%s", path);
    return !floats || read_values(from, number, one, err);
}

static bool read_member(const zip *members, const char *path, char *name, exchange_file *out,
                        error *err)
{
    npy one;
    size_t n = strlen(name);
    if (n < 5 || strcmp(name + n - 4, ".npy") != 0) {
        if (n >= 8 && strcmp(name + n - 8, "data.pkl") == 0)
            return exchange_refuse_pickle(path, err);
        return error_user(err, "%s: its member %s is no array (.npy)", path, *name ? name : "\"\"");
    }
    name[n - 4] = '\0';
    if (!npy_open(&one, members, path, name, err))
        return false;
    bool good = take(&one, path, name, out, err);
    bytes_free(one.from);
    return good;
}

/* Others' comments are no objects. */
static bool read_comment(const zip *members, const char *path, exchange_file *out, error *err)
{
    const char *name;
    json_t *value, *all = json_loads(zip_comment(members), JSON_REJECT_DUPLICATES, NULL);
    bool good = true;
    json_object_foreach(all, name, value)
    {
        if (good && json_is_string(value) &&
            !exchange_pairs_get(out, name, json_string_value(value), err))
            good = error_prefix(err, "%s: the file's comment", path);
    }
    json_decref(all);
    return good;
}

static bool read_npz(const char *path, exchange_file *out, error *err)
{
    size_t place = 0;
    char name[ZIP_NAME_BYTES];
    zip *members = zip_open(path, err);
    bool good = members && read_comment(members, path, out, err);
    while (good && zip_next(members, &place, name))
        good = read_member(members, path, name, out, err);
    zip_free(members);
    return good;
}

const exchange_format exchange_npz = {
    .name = "npz",
    .suffix = ".npz",
    .recognises = recognises,
    .write = write_npz,
    .read = read_npz,
};
