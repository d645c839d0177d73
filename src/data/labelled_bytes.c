#include "labelled.h"

#include "base/memory.h"

#include <string.h>

/* Images in bytes. */
typedef struct holder {
    bytes *from;
    uint64_t at;
    size_t stride;
    enum labelled_layout layout;
    uint8_t *image; /* as it lies there; made when it is needed */
} holder;

static void close_holder(void *state)
{
    holder *self = state;
    bytes_free(self->from);
    memory_free(self->image);
    memory_free(self);
}

void labelled_turn(enum labelled_layout layout, image_shape shape, const uint8_t *image,
                   uint8_t *to)
{
    size_t c_step = (size_t)shape.height * (size_t)shape.width, y_step = 1,
           x_step = (size_t)shape.height;
    if (layout == LAYOUT_PIXELS) {
        c_step = 1;
        x_step = (size_t)shape.channels;
        y_step = x_step * (size_t)shape.width;
    }
    for (int c = 0; c < shape.channels; c++)
        for (int y = 0; y < shape.height; y++)
            for (int x = 0; x < shape.width; x++)
                *to++ = image[(size_t)c * c_step + (size_t)y * y_step + (size_t)x * x_step];
}

/* Images that lie one behind the other are read at once. */
static bool fetch_planes(holder *self, size_t n_bytes, const uint32_t *places, size_t n,
                         uint8_t *images, error *err)
{
    for (size_t i = 0, run; i < n; i += run) {
        run = 1;
        while (self->stride == n_bytes && i + run < n && places[i + run] == places[i] + run)
            run++;
        if (!bytes_read(self->from, self->at + places[i] * (uint64_t)self->stride,
                        images + i * n_bytes, run * n_bytes, err))
            return false;
    }
    return true;
}

static bool fetch(void *state, image_shape shape, const uint32_t *places, size_t n, uint8_t *images,
                  error *err)
{
    holder *self = state;
    size_t n_bytes = image_bytes(shape);
    bool is_turned =
        self->layout != LAYOUT_PLANES && (self->layout != LAYOUT_PIXELS || shape.channels > 1);
    if (!is_turned)
        return fetch_planes(self, n_bytes, places, n, images, err);
    if (!self->image && !(self->image = memory_new(n_bytes, 1, err)))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!bytes_read(self->from, self->at + places[i] * (uint64_t)self->stride, self->image,
                        n_bytes, err))
            return false;
        labelled_turn(self->layout, shape, self->image, images + i * n_bytes);
    }
    return true;
}

bool labelled_from_bytes(labelled_set *set, bytes *from, uint64_t at, size_t stride,
                         enum labelled_layout layout, error *err)
{
    holder *self = memory_new(1, sizeof *self, err);
    if (!self) {
        bytes_free(from);
        return false;
    }
    *self = (holder){.from = from, .at = at, .stride = stride, .layout = layout};
    set->from = self;
    set->fetch = fetch;
    set->close = close_holder;
    return true;
}
