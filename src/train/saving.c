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

/* Of this rank; a server among several has none. */
static size_t count_own(const saving *self)
{
    return transport_is_worker() ? (size_t)self->of->worker.n_clients : 0;
}

static bool init_kept(const saving *self, kept *k, error *err)
{
    const bool serves = transport_is_server(), own = k->of.per_client && transport_is_worker();
    const size_t n_clients = (size_t)self->of->course.n_clients;
    bool good = true;
    if (own || (serves && !k->of.per_client))
        good = new_vector(&k->last, own ? count_own(self) : 1, k->of.n, err);
    if (own && may_lose_ranks())
        good = good && new_vector(&k->before, count_own(self), k->of.n, err);
    if (serves && k->of.per_client)
        good = good && new_vector(&k->all, n_clients, k->of.n, err);
    return good;
}

/* Which clients this rank has. */
static bool init_numbers(saving *self, error *err)
{
    const size_t n = count_own(self);
    self->numbers = memory_new((size_t)self->of->course.n_clients + 1, sizeof *self->numbers, err);
    self->there = memory_new((size_t)self->of->course.n_clients, sizeof *self->there, err);
    for (size_t k = 0; self->numbers && k < n; k++)
        self->numbers[k + 1] = self->of->worker.clients[k].number;
    if (self->numbers)
        self->numbers[0] = (int)n;
    return self->numbers && self->there;
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
    bool good = init_numbers(self, err);
    for (size_t i = 0; i < self->n_kept; i++) {
        self->kept[i].of = list[i];
        good = good && init_kept(self, &self->kept[i], err);
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
    memory_free(self->numbers);
    memory_free(self->there);
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
        const saved_vector *v = &k->of;
        if (!v->per_client || !k->last)
            continue;
        if (k->before) {
            float *oldest = k->before;
            k->before = k->last;
            k->last = oldest;
        }
        for (size_t c = 0; c < count_own(self); c++)
            memcpy(k->last + c * v->n, v->own(self->of, (int)c, v->which), v->n * sizeof *k->last);
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
        if (!k->of.per_client && k->last)
            memcpy(k->last, k->of.at, k->of.n * sizeof *k->last);
    }
}

/* This rank's rows of a vector, of the round of the server's own. */
static const float *rows_of(const saving *self, const kept *k)
{
    return k->before && self->own_rounds > self->rounds ? k->before : k->last;
}

static void send_rows(const saving *self)
{
    const size_t n = (size_t)self->numbers[0];
    transport_send(self->numbers, sizeof *self->numbers, 0, TRANSPORT_SLEEP);
    transport_send(self->numbers + 1, n * sizeof *self->numbers, 0, TRANSPORT_SLEEP);
    for (size_t i = 0; i < self->n_kept; i++) {
        const kept *k = &self->kept[i];
        for (size_t c = 0; k->of.per_client && c < n; c++)
            transport_send(rows_of(self, k) + c * k->of.n, k->of.n * sizeof *k->all, 0,
                           TRANSPORT_SLEEP);
    }
}

/* Of a server alone they are here. */
static void take_rows(saving *self, int rank)
{
    int *numbers = self->numbers;
    if (rank > 0) {
        transport_receive(numbers, sizeof *numbers, rank, TRANSPORT_SLEEP);
        transport_receive(numbers + 1, (size_t)numbers[0] * sizeof *numbers, rank, TRANSPORT_SLEEP);
    }
    for (int c = 1; c <= numbers[0]; c++)
        self->there[numbers[c]] = true;
    for (size_t i = 0; i < self->n_kept; i++) {
        const kept *k = &self->kept[i];
        const size_t n = k->of.n;
        for (int c = 0; k->of.per_client && c < numbers[0]; c++) {
            float *to = k->all + (size_t)numbers[c + 1] * n;
            if (rank > 0)
                transport_receive(to, n * sizeof *to, rank, TRANSPORT_SLEEP);
            else
                memcpy(to, rows_of(self, k) + (size_t)c * n, n * sizeof *to);
        }
    }
}

/* Is there anything only clients have? */
static bool has_own(const saving *self)
{
    bool own = false;
    for (size_t i = 0; i < self->n_kept; i++)
        own = own || self->kept[i].of.per_client;
    return own;
}

/* The clients' vectors to the server. */
static void gather(saving *self)
{
    if (!has_own(self))
        return;
    memset(self->there, 0, (size_t)self->of->course.n_clients * sizeof *self->there);
    if (!transport_is_server())
        send_rows(self);
    else if (transport_size() == 1)
        take_rows(self, 0);
    for (int rank = 1; transport_is_server() && rank < transport_size(); rank++)
        take_rows(self, rank);
}

/* Take what was kept, when what was taken before is written. */
static bool take(saving *self, int signal, error *err)
{
    const job *j = self->of;
    checkpoint_vector vectors[SAVED_MAX];
    for (size_t i = 0; i < self->n_kept; i++) {
        const kept *k = &self->kept[i];
        vectors[i] = saved_in_checkpoint(&k->of, k->of.per_client ? k->all : k->last);
    }
    checkpoint_state state = {
        .position = {.n_workers = self->n_workers,
                     .n_train = (int64_t)j->course.n_train,
                     .n_test = (int64_t)j->server.test.n,
                     .data_checksum = j->server.data_checksum,
                     .n_clients = j->course.n_clients,
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

void saving_begin(saving *self)
{
    error err = {0};
    gather(self);
    if (!transport_is_server())
        return;
    if (take(self, 0, &err))
        background_start(self->publisher);
    warn(self->rounds, &err);
}

bool saving_write(saving *self, int signal, error *err)
{
    if (!self->of->options->checkpoint[0] || self->rounds == 0)
        return true;
    gather(self);
    return !transport_is_server() || (take(self, signal, err) && checkpoint_publish(self->to, err));
}

/* The vectors of the dead's clients are not to be had: the mean of the others' stands for them. */
static void replace_lost(const saving *self, const kept *k)
{
    const size_t n = k->of.n, n_clients = (size_t)self->of->course.n_clients;
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0, count = 0.0;
        for (size_t c = 0; c < n_clients; c++)
            if (self->there[c]) {
                sum += (double)k->all[c * n + i];
                count += 1.0;
            }
        for (size_t c = 0; c < n_clients; c++)
            if (!self->there[c])
                k->all[c * n + i] = (float)(sum / count);
    }
}

bool saving_rescue(saving *self, error *err)
{
    if (has_own(self) && transport_size() == 1)
        return true;
    gather(self);
    if (!transport_is_server())
        return true;
    for (size_t i = 0; i < self->n_kept; i++)
        if (self->kept[i].of.per_client)
            replace_lost(self, &self->kept[i]);
    return take(self, 0, err) && checkpoint_publish(self->to, err);
}
