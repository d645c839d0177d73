#include "record/record.h"

#include "base/memory.h"

#include <string.h>

static void free_pairs(record_pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memory_free((char *)pairs[i].name);
        memory_free((char *)pairs[i].value);
    }
    memory_free(pairs);
}

void record_file_free(record_file *self)
{
    if (!self)
        return;
    free_pairs(self->config, self->n_config);
    free_pairs(self->build, self->n_build);
    memory_free(self->rounds);
    memory_free(self->ranks);
    memory_free(self->tests);
    memory_free(self->machines);
    memory_free(self->tensors);
    memory_free(self->model_text);
    memory_free(self->confusion);
    memory_free(self->labels);
    memory_free(self->class_names);
    memory_free(self->interruptions);
    memory_free(self->clients);
    memory_free(self->client_labels);
    memory_free(self->client_rounds);
    memory_free(self);
}

static const char *value_of(const record_pair *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *record_config(const record_file *self, const char *name)
{
    return value_of(self->config, self->n_config, name);
}

const char *record_build(const record_file *self, const char *name)
{
    return value_of(self->build, self->n_build, name);
}

const char *record_simulated(const record_file *self)
{
    const char *how = record_build(self, "simulated");
    return how ? how : "";
}
