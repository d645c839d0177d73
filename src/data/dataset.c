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
    self->labels = self->images ? memory_new(n, sizeof *self->labels, err) : NULL;
    self->numbers = self->labels ? memory_new(n, sizeof *self->numbers, err) : NULL;
    if (!self->numbers) {
        dataset_release(self);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        self->numbers[i] = (uint32_t)i;
    return true;
}

void dataset_release(dataset *self)
{
    memory_free(self->images);
    memory_free(self->labels);
    memory_free(self->numbers);
    *self = (dataset){0};
}

static uint32_t add_labels(uint32_t sum, int n_classes, const uint16_t *labels, size_t n)
{
    enum { PART = 512, ONE_BYTE_CLASSES = 256 };
    uint8_t bytes[2 * PART];
    for (size_t i = 0; i < n;) {
        size_t n_bytes = 0;
        for (size_t end = n - i < PART ? n : i + PART; i < end; i++) {
            bytes[n_bytes++] = (uint8_t)labels[i];
            if (n_classes > ONE_BYTE_CLASSES)
                bytes[n_bytes++] = (uint8_t)(labels[i] >> 8);
        }
        sum = (uint32_t)crc32_z(sum, bytes, n_bytes);
    }
    return sum;
}

void data_checksum_add(data_checksum *self, image_shape shape, const uint8_t *images,
                       const uint16_t *labels, size_t n)
{
    enum { SAMPLED = 1000 };
    size_t bytes = image_bytes(shape);
    self->labels = add_labels(self->labels, shape.n_classes, labels, n);
    for (size_t i = (SAMPLED - self->n % SAMPLED) % SAMPLED; i < n; i += SAMPLED)
        self->images = (uint32_t)crc32_z(self->images, images + i * bytes, bytes);
    self->n += n;
}
