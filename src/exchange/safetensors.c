/*
 * Hugging Face's safetensors: the length of a header, 64 bits; the header, JSON; numbers.
 * Source: the format's description in its README.
 */
#include "exchange/exchange.h"

#include "base/memory.h"
#include "show/output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, HEADER_MAX = 100000000, ALIGNMENT = 8, MAX_DEPTH = 8 };
/* Of a header: values of an array and its name, dims included. */
enum { MAX_VALUES = EXCHANGE_MAX_ARRAYS * (EXCHANGE_MAX_DIMS + 8) };

/* ---- numbers ----------------------------------------------------------------------------------- */

/* The types that are read.  Whole numbers, as batch norm's num_batches_tracked, are there for their length alone. */
enum { F32 = EXCHANGE_F32, F16, BF16, F64, I64, N_TYPES };
static const char *const types[N_TYPES] = {"F32", "F16", "BF16", "F64", "I64"};

static size_t type_bytes(int type)
{
    return type == I64 ? sizeof(int64_t) : exchange_number_bytes((enum exchange_number)type);
}

static uint64_t length_of(const uint8_t *head)
{
    uint64_t n = 0;
    for (int i = LENGTH_BYTES; i-- > 0;)
        n = n << 8 | head[i];
    return n;
}

static bool recognises(const uint8_t *head, size_t n, uint64_t n_bytes)
{
    (void)n_bytes; /* one that is cut off is one, too */
    return n > LENGTH_BYTES && head[LENGTH_BYTES] == '{' && length_of(head) <= HEADER_MAX;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static bool is_counter(const exchange_array *one)
{
    return !one->values;
}

static size_t bytes_of(const exchange_array *one)
{
    return is_counter(one) ? sizeof(int64_t) : one->count * sizeof *one->values;
}

static json_t *describe(const exchange_array *one, size_t begin)
{
    json_t *dims = json_array();
    for (int i = 0; i < one->n_dims; i++)
        json_array_append_new(dims, json_integer((json_int_t)one->dims[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", is_counter(one) ? "I64" : "F32", "shape", dims,
                     "data_offsets", (json_int_t)begin, (json_int_t)(begin + bytes_of(one)));
}

static json_t *describe_pairs(const exchange_model *from, error *err)
{
    exchange_pair pairs[EXCHANGE_PAIRS];
    json_t *all = exchange_pairs(from, pairs, err) ? json_object() : NULL;
    if (!all)
        return NULL;
    json_object_set_new(all, "format", json_string("pt"));
    for (int i = 0; i < EXCHANGE_PAIRS; i++)
        json_object_set_new(all, pairs[i].name, json_string(pairs[i].value));
    exchange_pairs_release(pairs);
    return all;
}

/* What has 8 bytes an element comes first, so that everything lies at a multiple of its size. */
static char *make_header(const exchange_model *from, const exchange_array *list, size_t n,
                         error *err)
{
    json_t *header = json_object(), *pairs = describe_pairs(from, err);
    size_t counter = 0, other = 0;
    json_object_set_new(header, "__metadata__", pairs);
    for (size_t i = 0; i < n; i++)
        other += is_counter(&list[i]) ? bytes_of(&list[i]) : 0;
    for (size_t i = 0; pairs && i < n; i++) {
        size_t *at = is_counter(&list[i]) ? &counter : &other;
        json_object_set_new(header, list[i].name, describe(&list[i], *at));
        *at += bytes_of(&list[i]);
    }
    char *text = pairs ? json_dumps(header, JSON_COMPACT) : NULL;
    if (pairs && (!text || json_object_size(header) != n + 1)) {
        error_environment(err, "%s: out of memory", from->path);
        free(text);
        text = NULL;
    }
    json_decref(header);
    return text;
}

static void put_header(FILE *out, const char *text)
{
    uint8_t length[LENGTH_BYTES];
    size_t n = strlen(text), padded = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(padded >> 8 * i & 0xff);
    fwrite(length, 1, sizeof length, out);
    fwrite(text, 1, n, out);
    for (; n < padded; n++)
        fputc(' ', out);
}

static bool write_safetensors(const exchange_model *from, const exchange_out *out, error *err)
{
    const int64_t zero = 0;
    size_t n;
    exchange_array *list = exchange_list(from, &n, err);
    char *text = list ? make_header(from, list, n, err) : NULL;
    bool good = text && (strlen(text) < HEADER_MAX - ALIGNMENT ||
                         error_user(err, "%s: model and names of classes do not fit in a header",
                                    out->path));
    if (good)
        put_header(out->stream, text);
    for (size_t i = 0; good && i < n; i++)
        if (is_counter(&list[i]))
            fwrite(&zero, sizeof zero, 1, out->stream);
    for (size_t i = 0; good && i < n; i++)
        if (!is_counter(&list[i]))
            fwrite(list[i].values, sizeof *list[i].values, list[i].count, out->stream);
    free(text);
    memory_free(list);
    return good;
}

/* ---- reading: the header ----------------------------------------------------------------------- */

typedef struct reading {
    const char *path;
    const uint8_t *data; /* behind the header */
    size_t n_data;
    exchange_file *out;
    error *err;
} reading;

/* Where an array lies. */
typedef struct span {
    size_t begin, end;
} span;

/* How much jansson would take for it is bounded before it is asked: a value needs some hundred bytes. */
static bool check_values(const char *path, const char *text, size_t n, error *err)
{
    size_t values = 0, depth = 0, deepest = 0;
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        values += c == ',' || c == '{' || c == '[';
        depth += c == '{' || c == '[';
        depth -= depth > 0 && (c == '}' || c == ']');
        deepest = depth > deepest ? depth : deepest;
    }
    return (values <= MAX_VALUES && deepest <= MAX_DEPTH) ||
           error_user(err, "%s: its header has more than %d arrays, or is no list of arrays", path,
                      EXCHANGE_MAX_ARRAYS);
}

static json_t *parse_header(const char *path, const uint8_t *bytes, size_t n_bytes, size_t *start,
                            error *err)
{
    json_error_t why;
    uint64_t n = n_bytes < LENGTH_BYTES ? 0 : length_of(bytes);
    if (n < 2 || n > HEADER_MAX || n > n_bytes - LENGTH_BYTES) {
        error_user(err, "%s: is damaged or cut off: a header of %llu bytes in a file of %zu", path,
                   (unsigned long long)n, n_bytes);
        return NULL;
    }
    *start = LENGTH_BYTES + (size_t)n;
    const char *text = (const char *)bytes + LENGTH_BYTES;
    if (!check_values(path, text, (size_t)n, err))
        return NULL;
    json_t *header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(header))
        return header;
    error_user(err, "%s: its header is no JSON: %s", path, header ? "no object" : why.text);
    json_decref(header);
    return NULL;
}

/* ---- reading: arrays --------------------------------------------------------------------------- */

static bool whole_number(const json_t *value, size_t *to)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *to = (size_t)json_integer_value(value);
    return true;
}

static bool refuse(const reading *self, const char *name, const char *why)
{
    return error_user(self->err, "%s: %.200s %s", self->path, name, why);
}

static bool read_dims(const reading *self, const char *name, const json_t *shape, int *n_dims,
                      size_t dims[EXCHANGE_MAX_DIMS])
{
    size_t n = json_array_size(shape);
    if (!json_is_array(shape) || n > EXCHANGE_MAX_DIMS)
        return refuse(self, name, "has no shape, or one of more than 8 dimensions");
    *n_dims = (int)n;
    for (size_t i = 0; i < n; i++)
        if (!whole_number(json_array_get(shape, i), &dims[i]))
            return refuse(self, name, "has a shape that is not of whole numbers");
    return true;
}

static int find_type(const char *name)
{
    int k = 0;
    while (name && k < N_TYPES && strcmp(types[k], name) != 0)
        k++;
    return name ? k : N_TYPES;
}

static bool read_span(const reading *self, const char *name, const json_t *offsets, span *at)
{
    if (json_array_size(offsets) != 2 || !whole_number(json_array_get(offsets, 0), &at->begin) ||
        !whole_number(json_array_get(offsets, 1), &at->end) || at->begin > at->end)
        return refuse(self, name, "has no data_offsets of a begin and an end");
    return at->end <= self->n_data || refuse(self, name, "lies beyond the end of the file");
}

static bool read_array(const reading *self, const char *name, const json_t *entry)
{
    span at = {0};
    int n_dims = 0;
    size_t dims[EXCHANGE_MAX_DIMS] = {0}, n = 1;
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    int k = find_type(type);
    if (k == N_TYPES)
        return error_user(self->err, "%s: %.200s is of type %.20s; F32, F16, BF16 and F64 are read",
                          self->path, name, type ? type : "nothing");
    if (!read_dims(self, name, json_object_get(entry, "shape"), &n_dims, dims) ||
        !read_span(self, name, json_object_get(entry, "data_offsets"), &at))
        return false;
    for (int i = 0; i < n_dims; i++)
        if (!memory_multiply(n, dims[i], &n))
            return refuse(self, name, "has more elements than fit in memory");
    if (!memory_multiply(n, type_bytes(k), &n) || n != at.end - at.begin)
        return refuse(self, name, "has a shape that its data_offsets do not bear out");
    exchange_array *one = exchange_file_add(self->out, name, n_dims, dims, k != I64, self->err);
    if (!one)
        return error_prefix(self->err, "%s", self->path);
    if (one->values)
        exchange_floats((enum exchange_number)k, self->data + at.begin, one->count, one->values);
    return true;
}

static int compare_spans(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* One begins where another ends, and the last where the file does. */
static bool check_spans(const reading *self, span *spans, size_t n)
{
    size_t at = 0;
    qsort(spans, n, sizeof *spans, compare_spans);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin != at)
            return error_user(self->err, "%s: is damaged: %s byte %zu of its data", self->path,
                              spans[i].begin < at ? "arrays overlap at" : "no array has",
                              spans[i].begin < at ? spans[i].begin : at);
        at = spans[i].end;
    }
    return at == self->n_data || error_user(self->err, "%s: has %zu bytes behind its last array",
                                            self->path, self->n_data - at);
}

static bool read_pairs(const reading *self, json_t *pairs)
{
    const char *name;
    json_t *value;
    json_object_foreach(pairs, name, value)
    {
        if (!json_is_string(value))
            return error_user(self->err, "%s: __metadata__ holds more than strings", self->path);
        if (!exchange_pairs_get(self->out, name, json_string_value(value), self->err))
            return error_prefix(self->err, "%s: __metadata__", self->path);
    }
    return json_is_object(pairs) ||
           error_user(self->err, "%s: __metadata__ is no object", self->path);
}

static bool is_array(const char *name)
{
    return strcmp(name, "__metadata__") != 0;
}

/* Before any memory is taken for what they hold. */
static bool read_spans(const reading *self, json_t *header)
{
    const char *name;
    json_t *entry;
    size_t n = 0;
    span *spans = memory_new(json_object_size(header), sizeof *spans, self->err);
    bool good = spans != NULL;
    json_object_foreach(header, name, entry)
    {
        if (good && is_array(name))
            good = read_span(self, name, json_object_get(entry, "data_offsets"), &spans[n++]);
    }
    good = good && check_spans(self, spans, n);
    memory_free(spans);
    return good;
}

static bool read_header(const reading *self, json_t *header)
{
    const char *name;
    json_t *entry;
    if (!read_spans(self, header))
        return false;
    json_object_foreach(header, name, entry)
    {
        if (!(is_array(name) ? read_array(self, name, entry) : read_pairs(self, entry)))
            return false;
    }
    return true;
}

static bool read_safetensors(const char *path, exchange_file *out, error *err)
{
    size_t n_bytes, start = 0;
    uint8_t *bytes = exchange_load(path, &n_bytes, err);
    json_t *header = bytes ? parse_header(path, bytes, n_bytes, &start, err) : NULL;
    bool good = header != NULL;
    if (good)
        good = read_header(&(reading){path, bytes + start, n_bytes - start, out, err}, header);
    json_decref(header);
    memory_free(bytes);
    return good;
}

const exchange_format exchange_safetensors = {
    .name = "safetensors",
    .suffix = ".safetensors",
    .recognises = recognises,
    .write = write_safetensors,
    .read = read_safetensors,
};
