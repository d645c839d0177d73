#include "self.h"

void runner_free(runner *self)
{
    if (self->net)
        self->engine->network_free(self->net);
    *self = (runner){0};
}

bool runner_ready(runner *self, bramble_model *of, size_t n, bool training, error *err)
{
    const int n_threads = (int)of->settings.threads;
    const engine *with = engine_for_batch(of->engine, n);
    if (!pthread_equal(of->started_by, pthread_self()) && !self_start(of, n_threads, err))
        return false;
    if (self->net && self->engine == with && n <= self->max_images && self->n_threads == n_threads)
        return true;
    runner_free(self);
    *self = (runner){.engine = with, .max_images = n, .n_threads = n_threads};
    self->net = engine_network_new(with, of->model, n, training, n_threads, err);
    return self->net != NULL;
}
