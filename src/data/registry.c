#include "base/memory.h"
#include "data/dataset.h"

#include <assert.h>

/* One line for each kind; the one that takes any folder is asked last. */
#define SOURCE_KINDS(KIND)                                                                         \
    KIND(source_synthetic)                                                                         \
    KIND(source_cifar10)

#define DECLARE(kind) extern const source_kind kind;
#define LIST(kind) &kind,

SOURCE_KINDS(DECLARE)

const source_kind *const source_kinds[] = {SOURCE_KINDS(LIST) NULL};

struct source {
    const source_kind *kind;
    void *state;
    image_shape shape;
    size_t count[2];
};

source *source_open(const char *spec, uint64_t seed, error *err)
{
    size_t k = 0;
    while (source_kinds[k] && !source_kinds[k]->claims(spec))
        k++;
    if (!source_kinds[k]) {
        error_user(err, "'%s': no known kind of data set", spec);
        return NULL;
    }
    source *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->kind = source_kinds[k];
    self->state = self->kind->open(spec, seed, &self->shape, self->count, err);
    if (self->state)
        return self;
    memory_free(self);
    return NULL;
}

void source_free(source *self)
{
    if (self)
        self->kind->close(self->state);
    memory_free(self);
}

image_shape source_shape(const source *self)
{
    return self->shape;
}

size_t source_count(const source *self, enum split split)
{
    return self->count[split];
}

const char *source_class_name(const source *self, int c)
{
    return c >= 0 && c < self->shape.n_classes ? self->kind->class_name(self->state, c) : NULL;
}

bool source_read(source *self, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err)
{
    assert(first <= self->count[split] && n <= self->count[split] - first);
    return self->kind->read(self->state, split, first, n, images, labels, err);
}
