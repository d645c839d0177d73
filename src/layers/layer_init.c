#include "layers/layer.h"

#include "base/random.h"

#include <math.h>

static void init_uniform(const layer *self, float *w, size_t fan_in, uint64_t seed,
                         uint32_t first_stream)
{
    float bound = (float)(1.0 / sqrt((double)fan_in));
    for (int k = 0; k < self->n_tensors; k++) {
        const tensor *t = &self->tensors[k];
        uint64_t stream = random_stream(RANDOM_INIT, first_stream + (uint32_t)k, 0);
        for (size_t j = 0; t->role == TENSOR_TRAINED && j < t->count; j++)
            w[t->offset + j] = random_uniform(seed, stream, j, -bound, bound);
    }
}

/* Two numbers make one: Box and Muller, Annals of Mathematical Statistics 29, 1958. */
static double normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    double u = ((double)(random_u64(seed, stream, 2 * index) >> 11) + 1.0) * 0x1p-53;
    double v = (double)(random_u64(seed, stream, 2 * index + 1) >> 11) * 0x1p-53;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}

static void init_he(const layer *self, float *w, size_t fan_in, uint64_t seed, uint32_t stream)
{
    const tensor *weight = &self->tensors[0];
    double deviation = sqrt(2.0 / (double)fan_in);
    uint64_t numbers = random_stream(RANDOM_INIT, stream, 0);
    for (size_t k = 0; k < self->n_trained; k++)
        w[k] = k - weight->offset < weight->count
                   ? (float)(deviation * normal(seed, numbers, k - weight->offset))
                   : 0.0F;
}

/* Filter k of a group hands on its channel k, while there are channels; the others stay as they are. */
static void put_dirac(const layer *self, float *w)
{
    const tensor *t = &self->tensors[0];
    size_t n_in = t->dims[1], kernel = t->dims[2], filter = n_in * kernel * kernel;
    size_t groups = (size_t)self->in[0].channels / n_in, n_out = t->dims[0] / groups;
    size_t centre = kernel / 2 * kernel + kernel / 2;
    for (size_t o = 0; o < t->dims[0]; o++) {
        float *to = w + t->offset + o * filter;
        size_t k = o % n_out;
        for (size_t j = 0; k < n_in && j < filter; j++)
            to[j] = j == k * kernel * kernel + centre ? 1.0F : 0.0F;
    }
}

bool layer_init_read(layer *self, bool of_images, error *err)
{
    static const char *const words[] = {"torch", "he", "dirac", "whitening", NULL};
    static const char *const of_units[] = {"torch", "he", NULL};
    int index;
    if (!layer_setting_get_word(self, "init", of_images ? words : of_units, LAYER_INIT_TORCH,
                                &index, err))
        return false;
    self->init = (enum layer_init)index;
    return true;
}

void layer_init_weights(const layer *self, float *w, size_t fan_in, uint64_t seed,
                        uint32_t first_stream)
{
    if (self->init == LAYER_INIT_HE) {
        init_he(self, w, fan_in, seed, first_stream);
        return;
    }
    init_uniform(self, w, fan_in, seed, first_stream);
    if (self->init == LAYER_INIT_DIRAC)
        put_dirac(self, w);
}
