#include "model/model.h"

#include "base/memory.h"
#include "layers/whitening.h"

bool model_wants_images(const model *self)
{
    for (int k = 0; k < self->n_layers; k++)
        if (self->layers[k].init == LAYER_INIT_WHITENING)
            return true;
    return false;
}

static bool whiten(const layer *l, float *w, const model_images *from, float *image, error *err)
{
    whitening of;
    bool good = whitening_init(&of, l, err);
    for (size_t k = 0; good && k < from->n; k++) {
        good = from->read(from->arg, k, image, err);
        if (good)
            whitening_add(&of, image, from->height, from->width);
    }
    good = good && whitening_filters(&of, w + l->tensors[0].offset, err);
    whitening_release(&of);
    return good;
}

bool model_init_images(const model *self, float *w, const model_images *from, error *err)
{
    size_t plane = (size_t)from->height * (size_t)from->width;
    float *image = memory_new((size_t)self->input.channels * plane, sizeof *image, err);
    bool good = image != NULL;
    for (int k = 0; good && k < self->n_layers; k++)
        if (self->layers[k].init == LAYER_INIT_WHITENING)
            good = whiten(&self->layers[k], w + self->places[k].trained, from, image, err);
    memory_free(image);
    return good;
}
