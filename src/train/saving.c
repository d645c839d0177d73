#include "saving.h"

#include "base/clock.h"
#include "base/memory.h"
#include "saved.h"
#include "transport/transport.h"

#include <string.h>

static void publish(void *arg)
{
    saving *self = arg;
    checkpoint_publish(self->to, &self->error);
}

/* Memory and the thread for a file. */
static bool init_file(saving *self, const job *of, error *err)
{
    size_t n = of->model->n_weights, size = (size_t)transport_size();
    self->to = of->server.checkpoint;
    self->rounds_begun = of->course.rounds_before;
    self->w = memory_new(n, sizeof *self->w, err);
    if (of->options->keep_momentum)
        self->all = memory_new(size * n, sizeof *self->all, err);
    return self->w && (self->all || !of->options->keep_momentum) &&
           (self->publisher = background_new(publish, self, err));
}

bool saving_init(saving *self, const job *of, error *err)
{
    const train_options *o = of->options;
    *self = (saving){.t_saved_s = clock_now(), .model_round = -1};
    bool good = true;
    if (o->checkpoint[0])
        good = options_checkpoint_interval(o->checkpoint_every, &self->every_rounds, &self->every_s,
                                           err);
    else if (!transport_guards() || transport_size() == 1)
        return true;
    if (transport_is_server())
        good = good && init_file(self, of, err);
    if (o->keep_momentum)
        good = good && (self->v = memory_new(of->model->n_weights, sizeof *self->v, err));
    if (self->v && transport_guards())
        good = good && (self->v_before = memory_new(of->model->n_weights, sizeof *self->v, err));
    return good;
}

void saving_release(saving *self)
{
    background_free(self->publisher);
    self->publisher = NULL;
    memory_free(self->w);
    memory_free(self->v);
    memory_free(self->v_before);
    memory_free(self->all);
}

/* A checkpoint that cannot be written is no reason to stop. */
static void warn(uint64_t rounds, error *err)
{
    if (err->kind == ERROR_NONE)
        return;
    error_prefix(err, "warning: no checkpoint of round %llu", (unsigned long long)rounds);
    error_print(err);
    *err = (error){0};
}

void saving_finish(saving *self)
{
    if (!self->publisher)
        return;
    background_wait(self->publisher);
    warn(self->rounds_begun, &self->error);
}

bool saving_due(saving *self, const job *of, uint64_t round)
{
    if (!of->options->checkpoint[0])
        return false;
    if (round + 1 == of->course.rounds)
        return true;
    if (background_busy(self->publisher)) /* the disk is slower: as often as it can */
        return false;
    uint64_t every = self->every_rounds;
    return every > 0 ? (round + 1) / every > self->rounds_begun / every
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
        self->t_date_s = clock_date_s();
    }
}

void saving_keep_momentum(saving *self, const job *of, uint64_t rounds)
{
    if (!self->v || !transport_is_worker())
        return;
    float *before = self->v_before;
    if (before) {
        self->v_before = self->v;
        self->v = before;
    }
    memcpy(self->v, of->worker.at.v, of->model->n_weights * sizeof *self->v);
    self->v_rounds = rounds;
}

/*
 * Take what was kept, when what was taken before is written.
 *   first  in  where the workers' velocities begin, if there are any
 */
static bool take(saving *self, const job *of, size_t first, int signal, error *err)
{
    checkpoint_vector vectors[SAVED_MAX];
    saved_list(of, (saved_values){self->w, self->all ? self->all + first : NULL}, vectors);
    checkpoint_state state = {
        .position = {.n_workers = self->n_workers,
                     .n_train = (int64_t)of->course.n_train,
                     .n_test = (int64_t)of->server.test.n,
                     .data_checksum = of->server.data_checksum,
                     .signal = signal,
                     .t_date_s = self->t_date_s},
        .vectors = vectors,
        .model = self->model_round >= 0 ? of->server.evaluation.w : NULL,
        .model_round = self->model_round,
    };
    saving_finish(self);
    self->t_saved_s = clock_now();
    self->rounds_begun = self->rounds;
    return checkpoint_take(self->to, of->server.record, &state, err);
}

/* The server's row is no worker's, unless it is one. */
static size_t first_velocity(const job *of)
{
    return transport_size() > 1 ? of->model->n_weights : 0;
}

static void gather(saving *self, const job *of)
{
    const float *mine = self->v_before && self->v_rounds > self->rounds ? self->v_before : self->v;
    if (mine)
        transport_gather(mine, of->model->n_weights * sizeof *mine, self->all, TRANSPORT_SLEEP);
}

void saving_begin(saving *self, job *of)
{
    error err = {0};
    gather(self, of);
    if (!transport_is_server())
        return;
    if (take(self, of, first_velocity(of), 0, &err))
        background_start(self->publisher);
    warn(self->rounds, &err);
}

bool saving_write(saving *self, job *of, int signal, error *err)
{
    if (!of->options->checkpoint[0] || self->rounds == 0)
        return true;
    gather(self, of);
    return !transport_is_server() ||
           (take(self, of, first_velocity(of), signal, err) && checkpoint_publish(self->to, err));
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
    gather(self, of);
    if (!transport_is_server())
        return true;
    if (self->v)
        replace_lost(self, n);
    return take(self, of, n, 0, err) && checkpoint_publish(self->to, err);
}
