#include "base/memory.h"
#include "self.h"

#include <math.h>

enum { GROUP = 64 }; /* images that a thread has of a batch, at most */

/* Images of the caller's that are as good as a data set. */
typedef struct loading {
    const bramble_model *of;
    const engine *engine;
    dataset images;
} loading;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const loading *from = arg;
    const samples all = {.n = from->images.n};
    from->engine->batch_load_block(&from->of->input, &from->images, &all, first, n, x, labels);
}

/* What a network sees of n images without labels. */
static bool forward(bramble_model *self, dataset images, float *logits, error *err)
{
    const size_t n_classes = (size_t)self->model->n_classes;
    runner *by = &self->forward;
    if (!runner_ready(by, self, images.n, false, err))
        return false;
    loading from = {self, by->engine, images};
    const network_input input = {.load = load, .arg = &from};
    (void)by->engine->network_forward(by->net, self->w, &input, images.n);
    for (size_t k = 0; k < images.n; k++)
        for (size_t c = 0; c < n_classes; c++)
            logits[k * n_classes + c] = by->engine->network_logit(by->net, k, (int)c);
    return true;
}

static bool forward_all(bramble_model *self, const uint8_t *images, size_t n, float *logits,
                        error *err)
{
    const size_t most = GROUP * (size_t)self->settings.threads, group = n < most ? n : most;
    const size_t n_classes = (size_t)self->model->n_classes, bytes = image_bytes(self->input.from);
    uint16_t *labels = memory_new(group, sizeof *labels, err);
    uint32_t *numbers = memory_new(group, sizeof *numbers, err);
    bool good = labels && numbers;
    for (size_t first = 0; good && first < n; first += group) {
        size_t left = n - first;
        dataset part = {.shape = self->input.from,
                        .n = left < group ? left : group,
                        .images = (uint8_t *)images + first * bytes, /* which are only read */
                        .labels = labels,
                        .numbers = numbers};
        good = forward(self, part, logits + first * n_classes, err);
    }
    memory_free(labels);
    memory_free(numbers);
    return good;
}

bool bramble_logits(bramble_model *self, const uint8_t *images, size_t n, float *out,
                    bramble_error *err)
{
    error found = {0};
    (void)forward_all(self, images, n, out, &found);
    return self_answer(&found, err);
}

static void softmax(float *x, size_t n)
{
    double sum = 0.0;
    float largest = x[0];
    for (size_t c = 1; c < n; c++)
        largest = x[c] > largest ? x[c] : largest;
    for (size_t c = 0; c < n; c++)
        sum += exp((double)x[c] - (double)largest);
    for (size_t c = 0; c < n; c++)
        x[c] = (float)(exp((double)x[c] - (double)largest) / sum);
}

bool bramble_predict(bramble_model *self, const uint8_t *images, size_t n, float *out,
                     bramble_error *err)
{
    const size_t n_classes = (size_t)self->model->n_classes;
    bool good = bramble_logits(self, images, n, out, err);
    for (size_t k = 0; good && k < n; k++)
        softmax(out + k * n_classes, n_classes);
    return good;
}
