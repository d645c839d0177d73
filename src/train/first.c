#include "first.h"

#include "base/memory.h"

enum { MOST_IMAGES = 5000 };

/* A training image, evenly out of all. */
typedef struct reading {
    dealing *of;
    const input_values *input;
    size_t n;
    uint8_t *bytes;
} reading;

static bool read_image(void *arg, size_t k, float *x, error *err)
{
    const reading *self = arg;
    const image_shape *from = &self->input->from;
    size_t plane = (size_t)from->height * (size_t)from->width;
    size_t number = (size_t)((double)k * ((double)self->of->n_train / (double)self->n));
    uint16_t label;
    if (!source_read(self->of->from, SPLIT_TRAIN, number, 1, self->bytes, &label, err))
        return false;
    for (size_t c = 0; c < (size_t)from->channels; c++)
        for (size_t j = c * plane; j < (c + 1) * plane; j++)
            x[j] =
                ((float)self->bytes[j] / 255.0F - self->input->mean[c]) / self->input->deviation[c];
    return true;
}

bool first_weights(dealing *data, const input_values *input, const model *of, uint64_t seed,
                   float *w, error *err)
{
    model_init(of, w, seed);
    if (!model_wants_images(of))
        return true;
    const image_shape *from = &input->from;
    size_t n = data->n_train < MOST_IMAGES ? (size_t)data->n_train : MOST_IMAGES;
    reading self = {.of = data, .input = input, .n = n};
    self.bytes =
        memory_new((size_t)from->channels * (size_t)from->height * (size_t)from->width, 1, err);
    const model_images images = {read_image, &self, n, from->height, from->width};
    bool good = self.bytes && model_init_images(of, w, &images, err);
    memory_free(self.bytes);
    return good;
}
