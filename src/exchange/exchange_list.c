#include "exchange/exchange.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const char variance[] = ".running_var", counter[] = ".num_batches_tracked";

/* The length of what is before the suffix, or 0 where it is not there. */
static size_t length_before(const char *name, const char *suffix)
{
    size_t n = strlen(name), length = strlen(suffix);
    return n > length && strcmp(name + n - length, suffix) == 0 ? n - length : 0;
}

bool exchange_is_counter(const model *of, const char *name)
{
    size_t n = length_before(name, counter);
    for (int i = 0; n > 0 && i < of->n_tensors; i++)
        if (length_before(of->tensors[i].name, variance) == n &&
            strncmp(of->tensors[i].name, name, n) == 0)
            return true;
    return false;
}

exchange_array *exchange_list(const exchange_model *from, size_t *n, error *err)
{
    const model *graph = from->graph;
    exchange_array *list = memory_new(2 * (size_t)graph->n_tensors, sizeof *list, err);
    *n = 0;
    for (int i = 0; list && i < graph->n_tensors; i++) {
        const tensor *part = &graph->tensors[i];
        exchange_array *one = &list[(*n)++];
        strcpy(one->name, part->name);
        one->n_dims = part->n_dims;
        memcpy(one->dims, part->dims, sizeof part->dims);
        one->count = part->count;
        one->values = from->w + part->offset;
        size_t length = length_before(part->name, variance);
        if (length > 0 && part->role == TENSOR_STATISTIC) {
            one = &list[(*n)++];
            snprintf(one->name, sizeof one->name, "%.*s%s", (int)length, part->name, counter);
            one->count = 1;
        }
    }
    return list;
}
