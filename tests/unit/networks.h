/*
 * networks.h - for the tests of networks: a model from text, weights, images and labels made up
 */
#ifndef BRAMBLE_TESTS_NETWORKS_H
#define BRAMBLE_TESTS_NETWORKS_H

#include "blocks.h"
#include "model/network.h"

/* A small network with everything in it, and the paper's. */
#define SMALL                                                                                      \
    "[model]\nname = t\ninput = 2 9 7\nclasses = 5\n"                                              \
    "[c]\nkind = conv\nfilters = 7\nkernel = 3\npadding = 1\n[r]\nkind = relu\n"                   \
    "[p]\nkind = maxpool\nwindow = 3\nstride = 2\n"                                                \
    "[d]\nkind = conv\nfilters = 5\nkernel = 3\nstride = 2\npadding = 2\n[s]\nkind = relu\n"       \
    "[e]\nkind = dense\nunits = 13\n[t]\nkind = relu\n[f]\nkind = dense\nunits = 5\n"
#define PAPER                                                                                      \
    "[model]\nname = t\ninput = 3 32 32\nclasses = 10\n"                                           \
    "[c]\nkind = conv\nfilters = 6\nkernel = 5\n[r]\nkind = relu\n[p]\nkind = maxpool\nwindow = "  \
    "2\n"                                                                                          \
    "[d]\nkind = conv\nfilters = 16\nkernel = 5\n[s]\nkind = relu\n[q]\nkind = maxpool\nwindow = " \
    "2\n"                                                                                          \
    "[e]\nkind = dense\nunits = 120\n[t]\nkind = relu\n[g]\nkind = dense\nunits = 84\n"            \
    "[u]\nkind = relu\n[f]\nkind = dense\nunits = 10\n"
/* Branches and what is done element by element: sums, products, halves, activations, dropout. */
#define MIXED                                                                                      \
    "[model]\nname = t\ninput = 2 9 7\nclasses = 5\n"                                              \
    "[c]\nkind = conv\nfilters = 6\nkernel = 3\npadding = 1\n[g]\nkind = gelu\n"                   \
    "[l]\nkind = split\nhalf = first\n[r]\nkind = split\ninput = g\nhalf = second\n"               \
    "[m]\nkind = multiply\ninput = l, r\n[k]\nkind = concat\ninput = m, image, l\n"                \
    "[p]\nkind = prelu\n[o]\nkind = dropout\n[d]\nkind = conv\nfilters = 8\nkernel = 1\n"          \
    "[s]\nkind = scale\n[a]\nkind = add\ninput = s, o\n[u]\nkind = relu\n[q]\nkind = prelu\n"      \
    "slopes = channels\n[t]\nkind = tanh\n[e]\nkind = dense\nunits = 13\n[x]\nkind = dropout\n"    \
    "p = 0.2\n[i]\nkind = silu\n[f]\nkind = dense\nunits = 5\n"

/* All that is normalised, by the batch twice. */
#define NORMS                                                                                      \
    "[model]\nname = t\ninput = 2 9 7\nclasses = 5\n"                                              \
    "[c]\nkind = conv\nfilters = 8\nkernel = 3\npadding = 1\n"                                     \
    "[b]\nkind = batchnorm\n[r]\nkind = relu\n[p]\nkind = maxpool\nwindow = 2\npadding = 1\n"      \
    "[d]\nkind = conv\nfilters = 6\nkernel = 3\n[g]\nkind = groupnorm\ngroups = 2\n"               \
    "[a]\nkind = avgpool\nwindow = 2\nstride = 1\n[l]\nkind = layernorm\n"                         \
    "[e]\nkind = batchnorm\nscale = no\nmomentum = 0.4\n[s]\nkind = relu\n"                        \
    "[q]\nkind = globalpool\n[f]\nkind = dense\nunits = 5\n"
/* Convolutions by groups, of each channel, dilated, with a stride, and of a single tap; all norms. */
#define GROUPED                                                                                    \
    "[model]\nname = t\ninput = 2 9 7\nclasses = 5\n"                                              \
    "[c]\nkind = conv\nfilters = 8\nkernel = 1\nbias = no\n[b]\nkind = batchnorm\n"                \
    "[d]\nkind = conv\nfilters = 8\nkernel = 7\npadding = 3\ngroups = 8\n[l]\nkind = layernorm\n"  \
    "[g]\nkind = conv\nfilters = 12\nkernel = 3\npadding = 2\ndilation = 2\ngroups = 4\n"          \
    "bias = no\n[e]\nkind = batchnorm\n[r]\nkind = relu\n"                                         \
    "[h]\nkind = conv\nfilters = 6\nkernel = 3\npadding = 1\nstride = 2\ngroups = 2\n"             \
    "[n]\nkind = groupnorm\ngroups = 3\n[s]\nkind = relu\n"                                        \
    "[i]\nkind = conv\nfilters = 7\nkernel = 2\ndilation = 3\n[o]\nkind = conv\nfilters = 9\n"     \
    "kernel = 1\n[t]\nkind = relu\n[q]\nkind = globalpool\n[f]\nkind = dense\nunits = 5\n"
/* Depthwise ones: dense, dilated, and with strides whose gradients begin at even and at odd pixels. */
#define DEPTHWISE                                                                                  \
    "[model]\nname = t\ninput = 2 21 20\nclasses = 5\n"                                            \
    "[p]\nkind = conv\nfilters = 4\nkernel = 1\n"                                                  \
    "[a]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 1\ngroups = 4\n"                         \
    "[s]\nkind = add\ninput = a, p\n"                                                              \
    "[d]\nkind = conv\nfilters = 4\nkernel = 5\npadding = 4\ndilation = 2\ngroups = 4\n"           \
    "[g]\nkind = conv\nfilters = 4\nkernel = 7\npadding = 3\ngroups = 4\nbias = no\n"              \
    "[c]\nkind = conv\nfilters = 4\nkernel = 5\npadding = 2\nstride = 2\ngroups = 4\n"             \
    "[e]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 3\ndilation = 3\ngroups = 4\n"           \
    "[h]\nkind = conv\nfilters = 4\nkernel = 3\npadding = 1\nstride = 2\ngroups = 4\n"             \
    "[f]\nkind = dense\nunits = 5\n"
/* All of Winograd's forms. */
#define WINOGRAD                                                                                   \
    "[model]\nname = t\ninput = 3 9 8\nclasses = 4\n"                                              \
    "[c]\nkind = conv\nfilters = 5\nkernel = 3\npadding = 1\nalgorithm = f4\n[r]\nkind = relu\n"   \
    "[d]\nkind = conv\nfilters = 70\nkernel = 3\nalgorithm = f2\n[s]\nkind = relu\n"               \
    "[e]\nkind = conv\nfilters = 7\nkernel = 5\npadding = 1\nalgorithm = f2\n[t]\nkind = relu\n"   \
    "[f]\nkind = dense\nunits = 4\n"

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
    uint16_t *labels;
    int n_loads[64]; /* of each block, since images_new */
} images;

static inline void images_new(images *self, const model *m, size_t n)
{
    *self = (images){.features = layer_features(m->input)};
    self->x = floats_new(n * self->features, REALS);
    self->labels = guarded_new(n * sizeof *self->labels);
    for (size_t k = 0; k < n; k++)
        self->labels[k] = (uint16_t)draw(0, m->n_classes - 1);
}

static inline void images_free(images *self)
{
    guarded_free(self->x);
    guarded_free(self->labels);
}

static inline void images_load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    images *self = arg;
    size_t from = self->first + first;
    self->n_loads[first / VEC_WIDTH]++;
    for (size_t f = 0; f < self->features; f++)
        for (size_t lane = 0; lane < VEC_WIDTH; lane++)
            x[f * VEC_WIDTH + lane] = lane < n ? self->x[(from + lane) * self->features + f] : 0.0F;
    memcpy(labels, self->labels + from, n * sizeof *labels);
}

/* Weights as a user would start from. */
static inline float *weights_new(const model *m)
{
    float *w = guarded_new(m->n_weights * sizeof *w);
    model_init(m, w, SEED);
    return w;
}

/* Those weights, room for a gradient. */
static inline network_vectors vectors_new(const model *m)
{
    return (network_vectors){weights_new(m), guarded_new(m->n_weights * sizeof(float))};
}

static inline void vectors_free(network_vectors *at)
{
    guarded_free(at->w);
    guarded_free(at->g);
}

/* An optimizer by name, nothing learned yet; optimizer_release it. */
static inline optimizer optimizer_of(const char *name, optimizer_settings settings, const model *m)
{
    error err = {0};
    optimizer by = {0};
    for (size_t k = 0; optimizer_name(k); k++)
        if (strcmp(optimizer_name(k), name) == 0 &&
            !optimizer_init(&by, optimizer_rules[k], &settings, m, &err))
            fail_msg("%s", err.text);
    assert_non_null(by.rule);
    return by;
}

#endif
