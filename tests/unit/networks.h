/*
 * networks.h - for the tests of networks: a model from text, weights, images and labels made up
 */
#ifndef BRAMBLE_TESTS_NETWORKS_H
#define BRAMBLE_TESTS_NETWORKS_H

#include "blocks.h"
#include "model/network.h"

static inline model *model_of(const char *text)
{
    error err = {0};
    model *m = model_new("test.ini", text, &err);
    if (!m)
        fail_msg("%s", err.text);
    return m;
}

static inline network *network_of(const model *m, size_t max_images, bool training, int n_threads)
{
    error err = {0};
    network *net = network_new(m, max_images, training, n_threads, &err);
    if (!net)
        fail_msg("%s", err.text);
    return net;
}

/* n images of random numbers in -1 .. 1, and labels; `first` is where a batch begins in them. */
typedef struct images {
    size_t features, first;
    float *x;
    uint8_t *labels;
    int n_loads[64]; /* of each block, since images_new */
} images;

static inline void images_new(images *self, const model *m, size_t n)
{
    *self = (images){.features = layer_features(m->input)};
    self->x = floats_new(n * self->features, REALS);
    self->labels = guarded_new(n);
    for (size_t k = 0; k < n; k++)
        self->labels[k] = (uint8_t)draw(0, m->n_classes - 1);
}

static inline void images_free(images *self)
{
    guarded_free(self->x);
    guarded_free(self->labels);
}

static inline void images_load(void *arg, size_t first, size_t n, float *x, uint8_t *labels)
{
    images *self = arg;
    size_t from = self->first + first;
    self->n_loads[first / VEC_WIDTH]++;
    for (size_t f = 0; f < self->features; f++)
        for (size_t lane = 0; lane < VEC_WIDTH; lane++)
            x[f * VEC_WIDTH + lane] = lane < n ? self->x[(from + lane) * self->features + f] : 0.0F;
    memcpy(labels, self->labels + from, n);
}

/* Weights as a user would start from. */
static inline float *weights_new(const model *m)
{
    float *w = guarded_new(m->n_weights * sizeof *w);
    model_init(m, w, SEED);
    return w;
}

#endif
