#include "exchange/exchange.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHAPE_BYTES = 24 * EXCHANGE_MAX_DIMS };

static const char *shape_text(char text[SHAPE_BYTES], int n_dims, const size_t *dims)
{
    int used = snprintf(text, SHAPE_BYTES, "%s", n_dims == 0 ? "a single value" : "");
    for (int i = 0; i < n_dims; i++)
        used += snprintf(text + used, SHAPE_BYTES - (size_t)used, "%s%zu", i ? " x " : "", dims[i]);
    return text;
}

static const exchange_array *find(const exchange_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_arrays; i++)
        if (strcmp(file->arrays[i].name, name) == 0)
            return &file->arrays[i];
    return NULL;
}

static bool check_shape(const exchange_array *one, const tensor *part, const char *path, error *err)
{
    char is[SHAPE_BYTES], wanted[SHAPE_BYTES];
    bool same = one->n_dims == part->n_dims;
    for (int i = 0; same && i < part->n_dims; i++)
        same = one->dims[i] == part->dims[i];
    if (!same)
        return error_user(err, "%s: %s has the shape %s, the model needs %s", path, one->name,
                          shape_text(is, one->n_dims, one->dims),
                          shape_text(wanted, part->n_dims, part->dims));
    return one->values ||
           error_user(err, "%s: %s holds whole numbers, not weights", path, one->name);
}

static bool take(const exchange_array *one, const tensor *part, const char *path, float *w,
                 error *err)
{
    if (!check_shape(one, part, path, err))
        return false;
    for (size_t i = 0; i < part->count; i++)
        if (!isfinite(one->values[i]))
            return error_user(err, "%s: %s holds %s (element %zu)", path, one->name,
                              isnan(one->values[i]) ? "NaN" : "an infinite number", i);
    memcpy(w + part->offset, one->values, part->count * sizeof *w);
    return true;
}

/* Does the model have it? */
static bool is_known(const model *of, const char *name)
{
    for (int k = 0; k < of->n_tensors; k++)
        if (strcmp(of->tensors[k].name, name) == 0)
            return true;
    return exchange_is_counter(of, name);
}

bool exchange_fit(const exchange_file *file, const char *path, const model *of, float *w,
                  error *err)
{
    for (int i = 0; i < of->n_tensors; i++) {
        const exchange_array *one = find(file, of->tensors[i].name);
        if (!one)
            return error_user(err, "%s: there is no %s, which the model has", path,
                              of->tensors[i].name);
        if (!take(one, &of->tensors[i], path, w, err))
            return false;
    }
    for (size_t i = 0; i < file->n_arrays; i++)
        if (!is_known(of, file->arrays[i].name))
            return error_user(err, "%s: has %s, which the model has no place for", path,
                              file->arrays[i].name);
    return true;
}
