#include "data/dataset.h"

#include "base/memory.h"

#include <zlib.h>

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

void data_checksum_add(data_checksum *self, size_t image_bytes, const uint8_t *images,
                       const uint8_t *labels, size_t n)
{
    enum { SAMPLED = 1000 };
    self->labels = (uint32_t)crc32_z(self->labels, labels, n);
    for (size_t i = (SAMPLED - self->n % SAMPLED) % SAMPLED; i < n; i += SAMPLED)
        self->images = (uint32_t)crc32_z(self->images, images + i * image_bytes, image_bytes);
    self->n += n;
}
