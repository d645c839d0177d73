#include "app/saving.h"

#include "app/results.h"
#include "base/memory.h"

#include <string.h>

bool saving_init(saving *self, const job *of, error *err)
{
    const train_options *o = &of->options;
    size_t n = of->model->n_weights, size = (size_t)transport_size();
    *self = (saving){.t_saved_s = clock_now(), .model_round = -1};
    if (!o->checkpoint[0])
        return true;
    bool good =
        options_checkpoint_interval(o->checkpoint_every, &self->every_rounds, &self->every_s, err);
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
    self->model_round = model_round;
    if (self->w) {
        memcpy(self->w, of->w, n * sizeof *self->w);
        self->t_date_s = results_date();
    }
    if (self->v && transport_is_worker())
        memcpy(self->v, of->v, n * sizeof *self->v);
}

bool saving_write(saving *self, job *of, int signal, error *err)
{
    size_t n = of->model->n_weights;
    if (!of->options.checkpoint[0] || self->rounds == 0)
        return true;
    if (self->v)
        transport_gather(self->v, n * sizeof *self->v, self->all);
    if (!transport_is_server())
        return true;
    size_t first = self->v && transport_size() > 1 ? n : 0; /* the server's row is no worker's */
    checkpoint_state state = {
        .position = {.n_workers = transport_workers(),
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
