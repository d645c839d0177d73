#include "data/dataset.h"

#include "base/memory.h"

size_t image_bytes(image_shape shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

bool dataset_init(dataset *self, image_shape shape, size_t n, error *err)
{
    *self = (dataset){.shape = shape, .n = n};
    self->images = memory_new(n, image_bytes(shape), err);
    self->labels = self->images ? memory_new(n, 1, err) : NULL;
    if (self->labels)
        return true;
    dataset_release(self);
    return false;
}

void dataset_release(dataset *self)
{
    memory_free(self->images);
    memory_free(self->labels);
    *self = (dataset){0};
}
