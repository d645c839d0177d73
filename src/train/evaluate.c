#include "train/evaluate.h"

#include "base/clock.h"
#include "base/memory.h"
#include "data/batch.h"
#include "kernels/simd.h"

#include <math.h>
#include <string.h>

bool evaluation_check(const model *of, const char *name, const input_rule *input, const char *data,
                      error *err)
{
    const image_shape *from = &input->from, *to = &input->to;
    if (to->channels != of->input.channels || to->height != of->input.height ||
        to->width != of->input.width)
        return error_user(err, "--data %s: images of %d x %d x %d, but model %s takes %d x %d x %d",
                          data, from->channels, from->height, from->width, name, of->input.channels,
                          of->input.height, of->input.width);
    if (from->n_classes != of->n_classes)
        return error_user(err, "--data %s: %d classes, but model %s tells %d apart", data,
                          from->n_classes, name, of->n_classes);
    return true;
}

bool evaluation_init(evaluation *self, const model *of, const input_rule *input, const dataset *set,
                     int n_threads, error *err)
{
    size_t n = (size_t)of->n_classes;
    *self = (evaluation){.model = of, .input = input, .set = set};
    self->net = network_new(of, EVALUATION_GROUP, false, n_threads, err);
    self->w = memory_new(of->n_weights, sizeof *self->w, err);
    if (!self->net || !self->w)
        return false;
    self->confusion = memory_new(n * n, sizeof *self->confusion, err);
    return self->confusion || error_prefix(err, "a confusion matrix of %zu classes", n);
}

void evaluation_release(evaluation *self)
{
    network_free(self->net);
    memory_free(self->w);
    memory_free(self->confusion);
    *self = (evaluation){0};
}

void evaluation_begin(evaluation *self, const float *w)
{
    size_t n = (size_t)self->model->n_classes;
    if (w != self->w)
        memcpy(self->w, w, self->model->n_weights * sizeof *w);
    memset(self->confusion, 0, n * n * sizeof *self->confusion);
    self->position = 0;
    self->loss_sum = self->group_sum = 0.0;
    self->n_correct = 0;
    self->running = self->set->n > 0;
}

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const evaluation *self = arg;
    batch_load_block(self->input, self->set, &self->slice, first, n, x, labels);
}

/* Whole blocks, up to the end of the group: which orders the sum of the losses, whatever a slice is. */
static size_t slice_images(const evaluation *self, double t_s)
{
    size_t left = self->set->n - self->position;
    size_t group = EVALUATION_GROUP - self->position % EVALUATION_GROUP, n = VEC_WIDTH;
    if (t_s >= self->t_block_s * EVALUATION_GROUP / VEC_WIDTH &&
        (self->t_block_s > 0.0 || isinf(t_s)))
        n = EVALUATION_GROUP;
    else if (self->t_block_s > 0.0 && t_s > self->t_block_s)
        n *= (size_t)(t_s / self->t_block_s);
    n = n < group ? n : group;
    return n < left ? n : left;
}

static void add_image(evaluation *self, size_t k)
{
    size_t label = network_label(self->net, k), guess = network_guess(self->net, k);
    self->confusion[label * (size_t)self->model->n_classes + guess]++;
    self->group_sum += (double)network_loss(self->net, k);
    self->n_correct += label == guess;
}

bool evaluation_slice(evaluation *self, double t_s)
{
    if (!self->running)
        return false;
    size_t n = slice_images(self, t_s), n_blocks = (n + VEC_WIDTH - 1) / VEC_WIDTH;
    network_input input = {load, self};
    self->slice = (samples){.first = self->position, .n = n};
    double start = clock_now();
    (void)network_forward(self->net, self->w, &input, n);
    self->t_block_s = (clock_now() - start) / (double)n_blocks;
    for (size_t k = 0; k < n; k++)
        add_image(self, k);
    self->position += n;
    self->running = self->position < self->set->n;
    if (!self->running || self->position % EVALUATION_GROUP == 0) {
        self->loss_sum += self->group_sum;
        self->group_sum = 0.0;
    }
    return true;
}

void evaluation_finish(evaluation *self)
{
    while (evaluation_slice(self, INFINITY))
        ;
}

double evaluation_loss(const evaluation *self)
{
    return self->loss_sum / (double)self->set->n;
}

double evaluation_accuracy(const evaluation *self)
{
    return (double)self->n_correct / (double)self->set->n;
}
