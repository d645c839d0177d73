#include "measure.h"

#include "base/memory.h"

#include <string.h>

uint64_t measure_images(const train_options *options, const course *on, const model *of)
{
    uint64_t most = 0;
    for (int k = 0; k < on->n_clients; k++)
        most = course_steps(on, k) > most ? course_steps(on, k) : most;
    bool apart = on->n_clients > 1 && on->segments < most;
    bool mean = apart || options->tail_average > 0.0 || options->ema > 0.0;
    if (of->n_weights == of->n_trained || !mean)
        return 0;
    return options->reestimate < on->n_train ? options->reestimate : on->n_train;
}

bool measure_init(measure *self, const model *of, const dataset *images, error *err)
{
    *self = (measure){.of = of, .images = images};
    if (images->n == 0)
        return true;
    self->group = memory_new(of->n_weights, sizeof *self->group, err);
    self->sums = memory_new(of->n_weights, sizeof *self->sums, err);
    return self->group && self->sums;
}

void measure_release(measure *self)
{
    memory_free(self->group);
    memory_free(self->sums);
    *self = (measure){0};
}

void measure_begin(measure *self)
{
    self->position = 0;
    self->running = self->images->n > 0;
    if (self->running)
        memset(self->sums, 0, self->of->n_weights * sizeof *self->sums);
}

void measure_go_on(measure *self, const measure_with *with, float *w)
{
    const size_t left = self->images->n - self->position,
                 n = left < MEASURE_GROUP ? left : MEASURE_GROUP;
    engine_images from = {
        with->engine, with->input, self->images, {.first = self->position, .n = n}};
    const network_input input = {.load = engine_load, .arg = &from};
    with->engine->network_measure(with->net, w, self->group, &input, n);
    model_to_moments(self->of, self->group, self->group);
    for (size_t k = self->of->n_trained; k < self->of->n_weights; k++)
        self->sums[k] += (double)self->group[k] * (double)n;
    self->position += n;
    self->running = n < left;
    if (self->running)
        return;
    for (size_t k = self->of->n_trained; k < self->of->n_weights; k++)
        w[k] = (float)(self->sums[k] / (double)self->images->n);
    model_from_moments(self->of, w, w);
}
