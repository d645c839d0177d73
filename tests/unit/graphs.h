/*
 * graphs.h - for the tests of stages: models that are no chains, with a kind of layer that only tests have
 *
 * power  y = gain[c] * x / sqrt(1 + q[c]), q: the mean of x^2 over the batch and the plane, a statistic; without
 *        training, that statistic as it stands
 */
#ifndef BRAMBLE_TESTS_GRAPHS_H
#define BRAMBLE_TESTS_GRAPHS_H

#include "model/build.h"
#include "networks.h"

/* ---- power -------------------------------------------------------------------------------------- */

enum { POWER_SCALE, POWER_CHANGE, POWER_NUMBERS }; /* workspace: [channel][POWER_NUMBERS] */

static inline bool power_infer(layer *self, error *err)
{
    (void)err;
    size_t channels = (size_t)self->in[0].channels;
    self->out = self->in[0];
    layer_tensor_add(self, TENSOR_TRAINED, "gain", 1, &channels);
    layer_tensor_add(self, TENSOR_STATISTIC, "running_power", 1, &channels);
    self->statistic_rate = 0.1F;
    self->n_sums = channels;
    self->forgets_y = true;
    return true;
}

static inline void power_init(const layer *self, float *w, float *statistics, uint64_t seed,
                              uint32_t first_stream)
{
    (void)seed;
    (void)first_stream;
    for (size_t c = 0; c < self->n_trained; c++) {
        w[c] = 1.0F + 0.1F * (float)c;
        statistics[c] = 0.5F;
    }
}

static inline bool power_workspace(const layer *self, const void *plan, size_t n_blocks,
                                   bool training, size_t *bytes)
{
    (void)plan;
    (void)n_blocks;
    (void)training;
    *bytes = self->n_trained * POWER_NUMBERS * sizeof(float);
    return true;
}

static inline size_t plane_of(const layer *self)
{
    return (size_t)self->in[0].height * (size_t)self->in[0].width;
}

/* Sum of a[k] * b[k] over the plane, for each channel of this thread's blocks. */
static inline void power_sums(const layer *self, const layer_pass *pass, const team *us,
                              const vec *a, const vec *b)
{
    size_t begin, end, plane = plane_of(self);
    layer_share(pass, us, self->n_sums, &begin, &end);
    for (size_t n = begin; n < end; n++) {
        pass->sums[n] = vec_set(0.0F);
        for (size_t k = n * plane; k < (n + 1) * plane; k++)
            pass->sums[n] += a[k] * b[k];
    }
}

/* Over the batch: the images in their order. */
static inline float power_total(const layer *self, const layer_pass *pass, size_t c)
{
    float total = 0.0F;
    for (size_t k = 0; k < pass->n_images; k++)
        total += pass->sums[k / VEC_WIDTH * self->n_sums + c][k % VEC_WIDTH];
    return total;
}

static inline float *power_numbers(const layer_pass *pass, size_t c)
{
    return (float *)pass->workspace + c * POWER_NUMBERS;
}

static inline void power_forward_sums(const layer *self, const layer_pass *pass, const team *us)
{
    power_sums(self, pass, us, pass->x[0], pass->x[0]);
}

static inline void power_forward_combine(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, n = pass->n_images * plane_of(self);
    team_share(us, self->n_trained, &begin, &end);
    for (size_t c = begin; c < end; c++) {
        pass->measured[c] = power_total(self, pass, c) / (float)n;
        power_numbers(pass, c)[POWER_SCALE] = 1.0F / sqrtf(1.0F + pass->measured[c]);
    }
}

static inline void power_forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, plane = plane_of(self);
    layer_share(pass, us, self->n_trained, &begin, &end);
    for (size_t n = begin; n < end; n++) {
        size_t c = n % self->n_trained;
        float scale = pass->training ? power_numbers(pass, c)[POWER_SCALE]
                                     : 1.0F / sqrtf(1.0F + pass->statistics[c]);
        for (size_t k = n * plane; k < (n + 1) * plane; k++)
            pass->y[k] = vec_set(pass->w[c] * scale) * pass->x[0][k];
    }
}

static inline void power_backward_sums(const layer *self, const layer_pass *pass, const team *us)
{
    power_sums(self, pass, us, pass->x[0], pass->gy);
}

static inline void power_backward_combine(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, n = pass->n_images * plane_of(self);
    team_share(us, self->n_trained, &begin, &end);
    for (size_t c = begin; c < end; c++) {
        float *numbers = power_numbers(pass, c), scale = numbers[POWER_SCALE];
        float total = power_total(self, pass, c);
        if (pass->g)
            pass->g[c] = scale * total;
        numbers[POWER_CHANGE] = -pass->w[c] * total * scale * scale * scale / (float)n;
    }
}

static inline void power_backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t begin, end, plane = plane_of(self);
    layer_share(pass, us, self->n_trained, &begin, &end);
    for (size_t n = begin; pass->gx[0] && n < end; n++) {
        size_t c = n % self->n_trained;
        const float *numbers = power_numbers(pass, c);
        for (size_t k = n * plane; k < (n + 1) * plane; k++) {
            vec g = vec_set(pass->w[c] * numbers[POWER_SCALE]) * pass->gy[k] +
                    vec_set(numbers[POWER_CHANGE]) * pass->x[0][k];
            pass->gx[0][k] = pass->add[0] ? pass->gx[0][k] + g : g;
        }
    }
}

static const layer_kind kind_power = {.name = "power",
                                      .min_inputs = 1,
                                      .max_inputs = 1,
                                      .infer = power_infer,
                                      .init = power_init,
                                      .workspace_bytes = power_workspace,
                                      .forward = power_forward,
                                      .backward = power_backward,
                                      .forward_sums = power_forward_sums,
                                      .forward_combine = power_forward_combine,
                                      .backward_sums = power_backward_sums,
                                      .backward_combine = power_backward_combine};

/* ---- graphs ------------------------------------------------------------------------------------- */

/* A model without layers; graph_add appends them, graph_build makes it whole. */
static inline model *graph_new(layer_shape input, int n_classes)
{
    model *m = memory_new(1, sizeof *m, NULL);
    m->layers = memory_new(MODEL_MAX_LAYERS, sizeof *m->layers, NULL);
    m->input = input;
    m->n_classes = n_classes;
    return m;
}

static inline int graph_add(model *m, const layer_kind *kind, int first, int second)
{
    layer *l = &m->layers[m->n_layers];
    snprintf(l->name, sizeof l->name, "%s%d", kind->name, m->n_layers);
    l->kind = kind;
    l->inputs[0] = first;
    l->inputs[1] = second;
    l->n_inputs = kind->min_inputs;
    return m->n_layers++;
}

static inline void graph_set(model *m, const char *name, long value)
{
    layer *l = &m->layers[m->n_layers - 1];
    layer_setting *setting = &l->settings[l->n_settings++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->text, sizeof setting->text, "%ld", value);
}

/* The sum of two layers. */
static inline int graph_sum(model *m, int a, int b)
{
    return graph_add(m, layer_kind_find("add"), a, b);
}

static inline void graph_set_word(model *m, const char *name, const char *word)
{
    graph_set(m, name, 0);
    layer *l = &m->layers[m->n_layers - 1];
    layer_setting *setting = &l->settings[l->n_settings - 1];
    snprintf(setting->text, sizeof setting->text, "%s", word);
}

/* Convolution that keeps the size of the plane; of an odd kernel. */
static inline int graph_conv(model *m, int from, int filters, int kernel)
{
    int k = graph_add(m, layer_kind_find("conv"), from, 0);
    graph_set(m, "filters", filters);
    graph_set(m, "kernel", kernel);
    graph_set(m, "padding", kernel / 2);
    return k;
}

static inline int graph_dense(model *m, int from, int units)
{
    int k = graph_add(m, layer_kind_find("dense"), from, 0);
    graph_set(m, "units", units);
    return k;
}

static inline int graph_pool(model *m, int from)
{
    int k = graph_add(m, layer_kind_find("maxpool"), from, 0);
    graph_set(m, "window", 2);
    return k;
}

static inline model *graph_build(model *m)
{
    error err = {0};
    if (!build_model(m, "graph", &err))
        fail_msg("%s", err.text);
    return m;
}

/* Does nobody read layer k? */
static inline bool graph_unread(const model *m, int k)
{
    for (int j = k + 1; j < m->n_layers; j++)
        for (int i = 0; i < m->layers[j].n_inputs; i++)
            if (m->layers[j].inputs[i] == k)
                return false;
    return true;
}

/*
 * Layers of all kinds of stages, each reading any before it; what nobody has read in the end is added up.
 * On 3 x 5 x 4 a convolution of 3 x 3 runs by blocks, also Winograd's, a direct one of 5 x 5 by the team.
 */
static inline model *graph_random(int n_layers)
{
    static const char *const algorithms[] = {"direct", "f2", "f4"};
    static const char *const elementwise[] = {"relu", "tanh", "gelu", "prelu", "scale", "dropout"};
    model *m = graph_new((layer_shape){3, 5, 4}, 4);
    while (m->n_layers < n_layers) {
        int n = m->n_layers, from = draw(n > 3 ? n - 4 : -1, n - 1), other = draw(0, n - 1);
        int what = draw(0, 9);
        if (what < 3) {
            graph_conv(m, from, 3, 3);
            graph_set_word(m, "algorithm", algorithms[what]);
        } else if (what < 5) {
            graph_conv(m, from, 3, 5);
            graph_set_word(m, "algorithm", algorithms[what - 3]);
        } else if (what < 6) {
            graph_add(m, layer_kind_find(elementwise[draw(0, 5)]), from, 0);
        } else if (what < 8) {
            graph_add(m, &kind_power, from, 0);
        } else if (n > 1 && from >= 0 && from != other) {
            graph_sum(m, from, other);
        }
    }
    for (int k = 0, last = m->n_layers - 1; k < last; k++)
        if (graph_unread(m, k))
            last = graph_sum(m, last, k);
    graph_dense(m, graph_pool(m, m->n_layers - 1), 4);
    return graph_build(m);
}

#endif
