/* HDF5: a dataset at the root for each array, and string attributes; a result file, too, is read. */
#include "exchange/exchange.h"

#include "base/memory.h"
#include "record/arrays.h"

#include <string.h>

static bool recognises(const uint8_t *head, size_t n, uint64_t n_bytes)
{
    return n >= 8 && n_bytes > 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static bool write_all(const exchange_out *out, const exchange_array *list, size_t n,
                      const exchange_pair *pairs, error *err)
{
    record_pair attributes[EXCHANGE_PAIRS];
    record_named *arrays = memory_new(n, sizeof *arrays, err);
    for (size_t i = 0; arrays && i < n; i++)
        arrays[i] = (record_named){list[i].name, list[i].n_dims, list[i].dims, list[i].values};
    for (int i = 0; i < EXCHANGE_PAIRS; i++)
        attributes[i] = (record_pair){pairs[i].name, pairs[i].value};
    bool good = arrays && record_write_arrays(
                              out->temporary, out->path,
                              &(record_named_list){arrays, n, attributes, EXCHANGE_PAIRS}, err);
    memory_free(arrays);
    return good;
}

static bool write_h5(const exchange_model *from, const exchange_out *out, error *err)
{
    size_t n;
    exchange_pair pairs[EXCHANGE_PAIRS];
    exchange_array *list = exchange_list(from, &n, err);
    bool good = list && exchange_pairs(from, pairs, err);
    if (good) {
        good = write_all(out, list, n, pairs, err);
        exchange_pairs_release(pairs);
    }
    memory_free(list);
    return good;
}

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct taking {
    const char *path;
    exchange_file *out;
} taking;

static bool take_array(void *arg, const record_named *what, bool floats, float **values, error *err)
{
    const taking *self = arg;
    exchange_array *one =
        exchange_file_add(self->out, what->name, what->n_dims, what->dims, floats, err);
    if (!one)
        return error_prefix(err, "%s", self->path);
    *values = one->values;
    return true;
}

static bool take_pair(void *arg, const char *name, const char *value, error *err)
{
    const taking *self = arg;
    return exchange_pairs_get(self->out, name, value, err) ||
           error_prefix(err, "%s: its attribute", self->path);
}

/* What a result file says of its model, and its weights. */
static bool read_result(const char *path, exchange_file *out, error *err)
{
    exchange_model *from = exchange_model_open(path, err);
    if (!from)
        return false;
    bool good = true;
    for (int i = 0; good && i < from->graph->n_tensors; i++) {
        const tensor *part = &from->graph->tensors[i];
        exchange_array *one =
            exchange_file_add(out, part->name, part->n_dims, part->dims, true, err);
        good = one != NULL;
        if (good)
            memcpy(one->values, from->w + part->offset, part->count * sizeof *from->w);
    }
    out->text = from->text;
    out->normalise = from->normalise;
    out->class_names = from->class_names;
    out->n_classes = from->graph->n_classes;
    from->text = from->normalise = NULL;
    from->class_names = NULL;
    exchange_model_free(from);
    return good;
}

static bool read_h5(const char *path, exchange_file *out, error *err)
{
    error none = {0};
    record_file *result = record_read_rounds(path, &none);
    record_file_free(result);
    if (result)
        return read_result(path, out, err);
    taking self = {path, out};
    return record_read_arrays(
        path, &(record_taker){&self, take_array, take_pair, exchange_pair_names}, err);
}

const exchange_format exchange_h5 = {
    .name = "HDF5",
    .suffix = ".h5",
    .recognises = recognises,
    .write = write_h5,
    .read = read_h5,
};
