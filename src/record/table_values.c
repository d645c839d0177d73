#include "record/table.h"

#include "base/memory.h"

void record_values_free(record_values_list *self)
{
    for (size_t i = 0; self->all && i < self->n; i++)
        memory_free(self->all[i].values);
    memory_free(self->all);
    *self = (record_values_list){0};
}
