#include "dataset.h"
#include "record/place.h"
#include "state.h"

#include "base/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool write_class_names(record *self, const record_plan *plan, error *err)
{
    const schema_table *table = &schema_tables[TABLE_CLASSES];
    char *names = memory_new(self->sizes.n_classes, table->row_bytes, err);
    if (!names)
        return false;
    for (size_t i = 0; i < self->sizes.n_classes; i++)
        snprintf(names + i * table->row_bytes, table->row_bytes, "%s", plan->class_names[i]);
    bool good = state_write(self, TABLE_CLASSES, 0, self->sizes.n_classes, names, err);
    memory_free(names);
    return good;
}

/* Rows of an earlier start, perhaps of fewer ranks. */
static bool write_past(record *self, const record_file *past, error *err)
{
    for (size_t i = 0; past && i < past->n_rounds; i++)
        if (!state_write(self, TABLE_ROUND, i, 1, &past->rounds[i], err) ||
            !state_write(self, TABLE_RANK, i * self->sizes.n_ranks, past->n_ranks,
                         past->ranks + i * past->n_ranks, err) ||
            !state_write(self, TABLE_TEST, i, 1, &past->tests[i], err) ||
            (past->n_clients > 0 && past->n_clients == self->sizes.n_clients &&
             !state_write(self, TABLE_CLIENT_ROUND, i * past->n_clients, past->n_clients,
                          past->client_rounds + i * past->n_clients, err)))
            return false;
    return true;
}

static bool write_contents(record *self, const record_plan *plan, error *err)
{
    const double nan_value = NAN;
    record_summary summary;
    for (size_t i = 0; i < sizeof summary; i += sizeof nan_value)
        memcpy((char *)&summary + i, &nan_value, sizeof nan_value);
    summary.complete = 0;
    self->n_done = plan->past ? (int64_t)plan->past->n_rounds : 0;
    const int64_t n_done = self->n_done, none = RECORD_NO_MODEL;
    return state_write(self, TABLE_MACHINE, 0, plan->n_ranks, plan->machines, err) &&
           state_write(self, TABLE_DONE, 0, 1, &n_done, err) &&
           state_write(self, TABLE_ROUND_OF_MODEL, 0, 1, &none, err) &&
           state_write(self, TABLE_TEXT_OF_MODEL, 0, 1, plan->model_text, err) &&
           state_write(self, TABLE_SUMMARY, 0, 1, &summary, err) &&
           (plan->n_interruptions == 0 ||
            state_write(self, TABLE_INTERRUPTION, 0, plan->n_interruptions, plan->interruptions,
                        err)) &&
           write_class_names(self, plan, err) && write_past(self, plan->past, err);
}

static double pairs_bytes(const record_pair *pairs, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 128.0 + (double)strlen(pairs[i].name) + (double)strlen(pairs[i].value);
    return sum;
}

/* A little more than the file is going to have. */
static double plan_bytes(const record_plan *plan, const schema_sizes *sizes)
{
    const checkpoint_plan *kept = plan->checkpoint;
    double n_floats = (double)plan->n_weights;
    for (size_t i = 0; kept && i < kept->n_vectors; i++)
        n_floats += (double)kept->vectors[i].n *
                    (kept->vectors[i].per_client ? (double)kept->n_clients : 1.0);
    return schema_bytes(sizes) + 1024.0 * (double)plan->n_tensors + 4.0 * n_floats +
           pairs_bytes(plan->config, plan->n_config) + pairs_bytes(plan->build, plan->n_build);
}

static bool check_size(const char *path, const record_plan *plan, const schema_sizes *sizes,
                       error *err)
{
    double n_bytes = plan_bytes(plan, sizes);
    double n_confusions = (double)sizes->n_classes * (double)sizes->n_classes;
    if (n_bytes <= SCHEMA_MAX_BYTES)
        return true;
    if (8.0 * n_confusions > SCHEMA_MAX_BYTES / 2)
        return error_user(err,
                          "%zu classes: their confusion matrix takes %.1f GiB, and %s may have at "
                          "most %.0f; choose a model with fewer classes",
                          sizes->n_classes, 8.0 * n_confusions / 0x1p30, path,
                          SCHEMA_MAX_BYTES / 0x1p30);
    return error_user(err,
                      "--rounds %zu: with %zu ranks %s would take %.1f GiB, at most %.0f GiB are "
                      "possible; choose fewer rounds",
                      sizes->n_rounds, sizes->n_ranks, path, n_bytes / 0x1p30,
                      SCHEMA_MAX_BYTES / 0x1p30);
}

/* Of the largest piece state_write is given: a row of ranks, classes squared, or the model text. */
static size_t buffer_bytes(const schema_sizes *sizes)
{
    size_t most = sizes->n_text_bytes;
    for (int id = 0; id < TABLE_COUNT; id++) {
        schema_sizes piece = *sizes;
        piece.n_rounds = 1;
        size_t dims[2] = {1, 1};
        schema_dims(schema_tables[id].shape, &piece, dims);
        for (size_t i = 0; i < schema_tables[id].n_columns; i++) {
            size_t n = dims[0] * dims[1] *
                       dataset_bytes(schema_column(&schema_tables[id], i), sizes->n_text_bytes);
            most = n > most ? n : most;
        }
    }
    return most;
}

static record *state_allocate(const char *path, const record_plan *plan, error *err)
{
    schema_sizes sizes = {plan->n_rounds,          plan->n_ranks,
                          (size_t)plan->n_classes, strlen(plan->model_text) + 1,
                          plan->n_interruptions,   plan->n_clients,
                          plan->checkpoint != NULL};
    assert(plan->n_rounds > 0 && plan->n_ranks > 0 && plan->n_classes > 0);
    record *self = check_size(path, plan, &sizes, err) ? memory_new(1, sizeof *self, err) : NULL;
    if (!self)
        return NULL;
    self->fd = -1;
    self->sizes = sizes;
    self->path = memory_new(strlen(path) + 1, 1, err);
    self->n_tensors = plan->n_tensors;
    self->n_present = plan->n_present > 0 ? plan->n_present : plan->n_ranks;
    self->n_vectors = plan->checkpoint ? plan->checkpoint->n_vectors : 0;
    self->vectors = memory_new(self->n_vectors, sizeof *self->vectors, err);
    self->tensors = memory_new(plan->n_tensors, sizeof *self->tensors, err);
    self->tensor_at = memory_new(plan->n_tensors, sizeof *self->tensor_at, err);
    self->buffer = memory_new(buffer_bytes(&sizes), 1, err);
    if (!self->path || !self->vectors || !self->tensors || !self->tensor_at || !self->buffer) {
        state_free(self);
        return NULL;
    }
    strcpy(self->path, path);
    memcpy(self->tensors, plan->tensors, plan->n_tensors * sizeof *self->tensors);
    return self;
}

/*
 * Is there room?  Asked before HDF5 is, because a file it fails to close stays half open in it, and
 * no other call is safe afterwards.
 */
static bool check_room(const record *self, const record_plan *plan, error *err)
{
    double n_bytes = plan_bytes(plan, &self->sizes);
    if (fallocate(self->fd, 0, 0, (off_t)n_bytes) == 0 ||
        (errno != ENOSPC && errno != EDQUOT && errno != EFBIG && errno != EROFS))
        return true;
    return error_environment(err, "%s: cannot be written: %s (%.1f MB needed)", self->path,
                             strerror(errno), n_bytes / 1e6);
}

record *state_new(const char *path, const record_plan *plan, char **temporary, error *err)
{
    hdf_quiet();
    *temporary = NULL;
    record *self = state_allocate(path, plan, err);
    if (!self)
        return NULL;
    self->fd = place_open(path, temporary, err);
    if (self->fd >= 0 && check_room(self, plan, err) && state_create(self, *temporary, plan, err) &&
        write_contents(self, plan, err))
        return self;
    if (*temporary)
        unlink(*temporary);
    memory_free(*temporary);
    *temporary = NULL;
    state_free(self);
    return NULL;
}
