#include "saving.h"

#include "base/clock.h"
#include "base/memory.h"
#include "transport/transport.h"

#include <string.h>

/* ---- memory -------------------------------------------------------------------------------------- */

static void publish(void *arg)
{
    saving *self = arg;
    checkpoint_publish(self->to, &self->error);
}

/* May a rank die, and the others go on? */
static bool may_lose_ranks(void)
{
    return transport_guards() && transport_size() > 1;
}

static bool new_vector(float **v, size_t count, size_t n, error *err)
{
    return (*v = memory_new(count, n * sizeof **v, err)) != NULL;
}

static bool init_kept(kept *k, error *err)
{
    const bool serves = transport_is_server(), own = k->of.per_worker && transport_is_worker();
    bool good = true;
    if (own || (serves && !k->of.per_worker))
        good = new_vector(&k->last, 1, k->of.n, err);
    if (own && may_lose_ranks())
        good = good && new_vector(&k->before, 1, k->of.n, err);
    if (serves && k->of.per_worker)
        good = good && new_vector(&k->all, (size_t)transport_size(), k->of.n, err);
    return good;
}

bool saving_init(saving *self, const job *of, error *err)
{
    const train_options *o = of->options;
    saved_vector list[SAVED_MAX];
    *self = (saving){.of = of,
                     .t_saved_s = clock_now(),
                     .model_round = -1,
                     .to = of->server.checkpoint,
                     .rounds_begun = of->course.rounds_before};
    if (o->checkpoint[0] &&
        !options_checkpoint_interval(o->checkpoint_every, &self->every_rounds, &self->every_s, err))
        return false;
    if (!o->checkpoint[0] && !may_lose_ranks())
        return true;
    self->n_kept = saved_list(of, list);
    bool good = true;
    for (size_t i = 0; i < self->n_kept; i++) {
        self->kept[i].of = list[i];
        good = good && init_kept(&self->kept[i], err);
    }
    if (good && transport_is_server())
        good = (self->publisher = background_new(publish, self, err)) != NULL;
    return good;
}

void saving_release(saving *self)
{
    saving_finish(self);
    background_free(self->publisher);
    for (size_t i = 0; i < self->n_kept; i++) {
        memory_free(self->kept[i].last);
        memory_free(self->kept[i].before);
        memory_free(self->kept[i].all);
    }
    *self = (saving){0};
}

/* ---- when ---------------------------------------------------------------------------------------- */

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

bool saving_due(saving *self, uint64_t round)
{
    if (!self->of->options->checkpoint[0])
        return false;
    if (round + 1 == self->of->course.rounds)
        return true;
    if (background_busy(self->publisher)) /* the disk is slower: as often as it can */
        return false;
    uint64_t every = self->every_rounds;
    return every > 0 ? (round + 1) / every > self->rounds_begun / every
                     : clock_now() - self->t_saved_s >= self->every_s;
}

/* ---- what ---------------------------------------------------------------------------------------- */

void saving_keep_own(saving *self, uint64_t rounds)
{
    for (size_t i = 0; i < self->n_kept; i++) {
        kept *k = &self->kept[i];
        if (!k->of.per_worker || !k->last)
            continue;
        if (k->before) {
            float *oldest = k->before;
            k->before = k->last;
            k->last = oldest;
        }
        memcpy(k->last, k->of.at, k->of.n * sizeof *k->last);
    }
    self->own_rounds = rounds;
}

void saving_keep(saving *self, uint64_t rounds, int64_t model_round)
{
    self->rounds = rounds;
    self->n_workers = transport_workers();
    self->model_round = model_round;
    self->t_date_s = clock_date_s();
    for (size_t i = 0; i < self->n_kept; i++) {
        kept *k = &self->kept[i];
        if (!k->of.per_worker && k->last)
            memcpy(k->last, k->of.at, k->of.n * sizeof *k->last);
    }
}

/* The workers' vectors to the server, of the round of its own. */
static void gather(saving *self)
{
    for (size_t i = 0; i < self->n_kept; i++) {
        const kept *k = &self->kept[i];
        bool ahead = k->before && self->own_rounds > self->rounds;
        if (k->of.per_worker)
            transport_gather(ahead ? k->before : k->last, k->of.n * sizeof *k->all, k->all,
                             TRANSPORT_SLEEP);
    }
}

/*
 * Take what was kept, when what was taken before is written.
 *   first  in  rank of the first worker
 */
static bool take(saving *self, size_t first, int signal, error *err)
{
    const job *j = self->of;
    checkpoint_vector vectors[SAVED_MAX];
    for (size_t i = 0; i < self->n_kept; i++) {
        const kept *k = &self->kept[i];
        vectors[i] =
            saved_in_checkpoint(&k->of, k->of.per_worker ? k->all + first * k->of.n : k->last);
    }
    checkpoint_state state = {
        .position = {.n_workers = self->n_workers,
                     .n_train = (int64_t)j->course.n_train,
                     .n_test = (int64_t)j->server.test.n,
                     .data_checksum = j->server.data_checksum,
                     .signal = signal,
                     .t_date_s = self->t_date_s},
        .vectors = vectors,
        .model = self->model_round >= 0 ? j->server.evaluation.w : NULL,
        .model_round = self->model_round,
    };
    saving_finish(self);
    self->t_saved_s = clock_now();
    self->rounds_begun = self->rounds;
    return checkpoint_take(self->to, j->server.record, &state, err);
}

/* ---- writing ------------------------------------------------------------------------------------- */

/* A server is no worker, unless it is alone. */
static size_t first_worker(void)
{
    return transport_size() > 1 ? 1 : 0;
}

void saving_begin(saving *self)
{
    error err = {0};
    gather(self);
    if (!transport_is_server())
        return;
    if (take(self, first_worker(), 0, &err))
        background_start(self->publisher);
    warn(self->rounds, &err);
}

bool saving_write(saving *self, int signal, error *err)
{
    if (!self->of->options->checkpoint[0] || self->rounds == 0)
        return true;
    gather(self);
    return !transport_is_server() ||
           (take(self, first_worker(), signal, err) && checkpoint_publish(self->to, err));
}

/* The vectors of the dead are not to be had: the mean of the others' stands for them. */
static void replace_lost(float *all, size_t n, size_t n_workers)
{
    size_t left = (size_t)transport_size() - 1;
    float *mean = all + (left + 1) * n;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t k = 1; k <= left; k++)
            sum += (double)all[k * n + i];
        mean[i] = (float)(sum / (double)left);
    }
    for (size_t k = left + 2; k <= n_workers; k++)
        memcpy(all + k * n, mean, n * sizeof *mean);
}

bool saving_rescue(saving *self, error *err)
{
    bool own = false; /* is there anything only workers know? */
    for (size_t i = 0; i < self->n_kept; i++)
        own = own || self->kept[i].of.per_worker;
    if (own && transport_size() == 1)
        return true;
    gather(self);
    if (!transport_is_server())
        return true;
    for (size_t i = 0; i < self->n_kept; i++)
        if (self->kept[i].of.per_worker)
            replace_lost(self->kept[i].all, self->kept[i].of.n, (size_t)self->n_workers);
    return take(self, 1, 0, err) && checkpoint_publish(self->to, err);
}
