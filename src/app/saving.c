#include "app/saving.h"

#include "app/results.h"
#include "base/memory.h"

#include <string.h>

bool saving_init(saving *self, const job *of, error *err)
{
    const train_options *o = &of->options;
    size_t n = of->model->n_weights, size = (size_t)transport_size();
    *self = (saving){.t_saved_s = clock_now(), .model_round = -1};
    bool good = true;
    if (o->checkpoint[0])
        good = options_checkpoint_interval(o->checkpoint_every, &self->every_rounds, &self->every_s,
                                           err);
    else if (!of->rescue[0])
        return true;
    if (transport_is_server())
        good = good && (self->w = memory_new(n, sizeof *self->w, err));
    if (o->keep_momentum) {
        good = good && (self->v = memory_new(n, sizeof *self->v, err));
        if (transport_is_server())
            good = good && (self->all = memory_new(size * n, sizeof *self->all, err));
    }
    return good;
}

void saving_release(saving *self)
{
    memory_free(self->w);
    memory_free(self->v);
    memory_free(self->all);
}

bool saving_due(const saving *self, const job *of, uint64_t round)
{
    if (!of->options.checkpoint[0])
        return false;
    if (round + 1 == of->options.rounds)
        return true;
    return self->every_rounds > 0 ? (round + 1) % self->every_rounds == 0
                                  : clock_now() - self->t_saved_s >= self->every_s;
}

void saving_keep(saving *self, const job *of, uint64_t rounds, int64_t model_round)
{
    size_t n = of->model->n_weights;
    self->rounds = rounds;
    self->n_workers = transport_workers();
    self->model_round = model_round;
    if (self->w) {
        memcpy(self->w, of->w, n * sizeof *self->w);
        self->t_date_s = results_date();
    }
    if (self->v && transport_is_worker())
        memcpy(self->v, of->v, n * sizeof *self->v);
}

/* first: where the workers' velocities begin, if there are any */
static bool save(saving *self, job *of, size_t first, int signal, error *err)
{
    checkpoint_state state = {
        .position = {.n_workers = self->n_workers,
                     .n_train = (int64_t)of->n_train,
                     .n_test = (int64_t)of->n_test,
                     .data_checksum = job_data_checksum(of),
                     .signal = signal,
                     .t_date_s = self->t_date_s},
        .w = self->w,
        .v = self->all ? self->all + first : NULL,
        .model = self->model_round >= 0 ? of->evaluation.w : NULL,
        .model_round = self->model_round,
    };
    self->t_saved_s = clock_now();
    return checkpoint_save(of->checkpoint, of->record, &state, err);
}

bool saving_write(saving *self, job *of, int signal, error *err)
{
    size_t n = of->model->n_weights;
    if (!of->options.checkpoint[0] || self->rounds == 0)
        return true;
    if (self->v)
        transport_gather(self->v, n * sizeof *self->v, self->all);
    /* The server's row is no worker's, unless it is one. */
    return !transport_is_server() || save(self, of, transport_size() > 1 ? n : 0, signal, err);
}

/* The velocities of the dead are not to be had: the mean of the others' stands for them. */
static void replace_lost(saving *self, size_t n)
{
    size_t left = (size_t)transport_size() - 1;
    float *mean = self->all + (left + 1) * n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t k = 1; k <= left; k++)
            sum += (double)self->all[k * n + i];
        mean[i] = (float)(sum / (double)left);
    }
    for (size_t k = left + 2; k <= (size_t)self->n_workers; k++)
        memcpy(self->all + k * n, mean, n * sizeof *mean);
}

bool saving_rescue(saving *self, job *of, error *err)
{
    size_t n = of->model->n_weights;
    if (self->v && transport_size() == 1)
        return true; /* nobody knows any momentum */
    if (self->v) {
        transport_gather(self->v, n * sizeof *self->v, self->all);
        if (transport_is_server())
            replace_lost(self, n);
    }
    return !transport_is_server() || save(self, of, n, 0, err);
}
