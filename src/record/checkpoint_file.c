#include "record/checkpoint.h"

#include "base/memory.h"

#include <string.h>

void checkpoint_file_free(checkpoint_file *self)
{
    if (!self)
        return;
    record_file_free(self->past);
    memory_free(self->path);
    for (size_t i = 0; i < self->n_vectors; i++)
        memory_free(self->vectors[i].values);
    memory_free(self->vectors);
    memory_free(self->out);
    memory_free(self);
}

const checkpoint_values *checkpoint_find(const checkpoint_file *self, const char *name)
{
    for (size_t i = 0; i < self->n_vectors; i++)
        if (strcmp(self->vectors[i].name, name) == 0)
            return &self->vectors[i];
    return NULL;
}
