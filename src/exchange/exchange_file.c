#include "exchange/exchange.h"

#include "base/memory.h"

#include <string.h>

void exchange_file_release(exchange_file *self)
{
    for (size_t i = 0; i < self->n_arrays; i++)
        memory_free(self->arrays[i].values);
    memory_free(self->arrays);
    memory_free(self->text);
    memory_free(self->normalise);
    memory_free(self->class_names);
    *self = (exchange_file){0};
}

/* Room for one more; what is there may move. */
static bool make_room(exchange_file *self, error *err)
{
    enum { FIRST = 64 };
    bool is_full = self->n_arrays == 0 ||
                   (self->n_arrays >= FIRST && (self->n_arrays & (self->n_arrays - 1)) == 0);
    if (!is_full)
        return true;
    size_t n = self->n_arrays < FIRST ? FIRST : 2 * self->n_arrays;
    exchange_array *more = memory_new(n, sizeof *more, err);
    if (!more)
        return false;
    if (self->n_arrays > 0)
        memcpy(more, self->arrays, self->n_arrays * sizeof *more);
    memory_free(self->arrays);
    self->arrays = more;
    return true;
}

static bool check_name(const exchange_file *self, const char *name, error *err)
{
    if (!*name || strlen(name) >= EXCHANGE_NAME_BYTES)
        return error_user(err, "%.60s: a name of an array has 1 to %d bytes", name,
                          EXCHANGE_NAME_BYTES - 1);
    for (size_t i = 0; i < self->n_arrays; i++)
        if (strcmp(self->arrays[i].name, name) == 0)
            return error_user(err, "%s: is there twice", name);
    return self->n_arrays < EXCHANGE_MAX_ARRAYS ||
           error_user(err, "holds more than %d arrays", EXCHANGE_MAX_ARRAYS);
}

static bool set_shape(exchange_array *self, int n_dims, const size_t *dims, error *err)
{
    self->n_dims = n_dims;
    self->count = 1;
    if (n_dims > EXCHANGE_MAX_DIMS)
        return error_user(err, "%s: has %d dimensions, at most %d are read", self->name, n_dims,
                          EXCHANGE_MAX_DIMS);
    for (int i = 0; i < n_dims; i++) {
        self->dims[i] = dims[i];
        if (!memory_multiply(self->count, dims[i], &self->count))
            return error_user(err, "%s: has more elements than fit in memory", self->name);
    }
    return true;
}

exchange_array *exchange_file_add(exchange_file *self, const char *name, int n_dims,
                                  const size_t *dims, bool floats, error *err)
{
    exchange_array one = {.n_dims = 0};
    if (!check_name(self, name, err))
        return NULL;
    strcpy(one.name, name);
    if (!set_shape(&one, n_dims, dims, err) || !make_room(self, err))
        return NULL;
    if (floats && one.count > MODEL_MAX_WEIGHTS - self->n_floats) {
        error_user(err, "%s: more numbers than a model may have, %d", name, MODEL_MAX_WEIGHTS);
        return NULL;
    }
    if (floats && !(one.values = memory_new(one.count, sizeof *one.values, err)))
        return NULL;
    self->n_floats += floats ? one.count : 0;
    self->arrays[self->n_arrays] = one;
    return &self->arrays[self->n_arrays++];
}
