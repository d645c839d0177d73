#include "self.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "host/threads.h"

#include <stdio.h>
#include <string.h>

bool self_answer(const error *found, bramble_error *err)
{
    bool good = found->kind == ERROR_NONE;
    if (err) {
        err->kind = (int)found->kind;
        snprintf(err->text, sizeof err->text, "%s", good ? "" : found->text);
    }
    return good;
}

char *self_text(const char *text, error *err)
{
    size_t n_bytes = strlen(text) + 1;
    char *copy = memory_new(n_bytes, 1, err);
    return copy ? memcpy(copy, text, n_bytes) : NULL;
}

static bool read_values(const bramble_model *self, const char *text, input_values *values,
                        error *err)
{
    const layer_shape *in = &self->model->input;
    const image_shape shape = {in->channels, in->height, in->width, self->model->n_classes};
    if (normalise_is_measured(text))
        return error_user(err, "normalisation %s: nothing is measured here; give numbers", text);
    return input_values_init(values, shape, err) &&
           (normalise_set(values, text, err) || error_prefix(err, "normalisation %.60s", text));
}

bool self_normalise(bramble_model *self, const char *text, error *err)
{
    input_values values = {0};
    input_rule rule = {0};
    char *copy = NULL;
    if (!read_values(self, text, &values, err) || !input_rule_init(&rule, &values, err) ||
        !(copy = self_text(text, err))) {
        input_rule_release(&rule);
        input_values_release(&values);
        return false;
    }
    input_rule_release(&self->input);
    input_values_release(&self->values);
    memory_free(self->normalisation);
    self->input = rule;
    self->values = values;
    self->normalisation = copy;
    return true;
}

/* OpenMP's threads are those of a thread that calls, and it ends the process where it cannot start them. */
bool self_start(bramble_model *self, int n_threads, error *err)
{
    if (n_threads > 1 && !threads_start(n_threads, "threads", err))
        return false;
    self->started_by = pthread_self();
    return true;
}
