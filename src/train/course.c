#include "course.h"

#include "base/memory.h"
#include "base/world.h"
#include "transport/aggregate.h"

#include <math.h>
#include <string.h>

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

bool course_init(course *self, int n_clients, int n_workers, error *err)
{
    *self = (course){.n_clients = n_clients, .n_workers = n_workers};
    self->images = memory_new((size_t)n_clients, sizeof *self->images, err);
    self->worker = memory_new((size_t)n_clients, sizeof *self->worker, err);
    self->load = memory_new((size_t)n_workers, sizeof *self->load, err);
    self->tests = memory_new((size_t)n_clients, sizeof *self->tests, err);
    return self->images && self->worker && self->load && self->tests;
}

void course_release(course *self)
{
    memory_free(self->images);
    memory_free(self->worker);
    memory_free(self->load);
    memory_free(self->tests);
    *self = (course){0};
}

/* Images of a client from batch `step` on, at most a batch. */
static uint64_t rest_of(const course *self, int client, uint64_t step)
{
    const uint64_t left = self->images[client] - step * self->batch;
    return left < self->batch ? left : self->batch;
}

static uint64_t count_segments(const course *self, uint64_t average_every)
{
    uint64_t most = course_steps(self, course_longest(self));
    return average_every == 0 ? 1 : divide_up(most, average_every);
}

/* As Flower: so large a share, rounded down, but not less than the least. */
static int count_participants(const course *self, const train_options *o)
{
    const double share = floor(o->participation * self->n_clients + 1e-9);
    const int least =
        o->min_workers < (uint64_t)self->n_clients ? (int)o->min_workers : self->n_clients;
    return share > (double)least ? (int)share : least;
}

/* Each in turn to who has the fewest images: so one each where they are as many. */
static void share_out(course *self)
{
    for (int w = 0; w < self->n_workers; w++)
        self->load[w] = (course_load){0};
    for (int k = 0; k < self->n_clients; k++) {
        int least = 0;
        for (int w = 1; w < self->n_workers; w++)
            if (self->load[w].images < self->load[least].images)
                least = w;
        self->worker[k] = least;
        self->load[least].n_clients++;
        self->load[least].images += self->images[k];
        self->load[least].tests += self->tests[k];
    }
}

void course_cut(course *self, const train_options *options, uint64_t rounds_before)
{
    self->batch = options->batch;
    self->rounds = options->rounds;
    self->rounds_before = rounds_before;
    self->local_epochs = options->local_epochs;
    self->local_steps = options->local_steps;
    self->n_train = 0;
    for (int k = 0; k < self->n_clients; k++)
        self->n_train += self->images[k];
    share_out(self);
    self->seed = options->seed;
    self->participants = count_participants(self, options);
    self->takes = count_segments(self, options->average_every);
    self->segments = options->sync == SYNC_GRADIENTS ? count_segments(self, 1) : self->takes;
    self->eval_every = options->eval_every;
    if (self->eval_every == 0) /* about once an epoch */
        self->eval_every =
            self->local_steps == 0 ? 1 : divide_up(course_epoch(self, 0), self->local_steps);
}

int course_most(const course *self)
{
    int most = 0;
    for (int w = 0; w < self->n_workers; w++)
        most = self->load[w].n_clients > most ? self->load[w].n_clients : most;
    return most < self->participants ? most : self->participants;
}

uint64_t course_epoch(const course *self, int client)
{
    return divide_up(self->images[self->shares ? 0 : client], self->batch);
}

/* Why not; NULL: they can. */
static const char *why_not_share(const train_options *o)
{
    aggregate_choice choice;
    error none = {0};
    if (o->sync != SYNC_GRADIENTS)
        return "goes with --sync gradients alone";
    if (strcmp(o->partition, "even") != 0 || o->shards.n > 0)
        return "leaves nothing to --partition or --shards";
    if (o->clients > 0)
        return "is not for --clients";
    if (o->eval_clients > 0.0)
        return "leaves no client images of its own: leave out --eval-clients";
    if (!aggregate_parse(o->aggregate, &choice, &none) || choice.rule->combine)
        return "gives all the same images, and --aggregate nothing to compare";
    return NULL;
}

bool course_shares(const course *self, const train_options *o, bool *shares, error *err)
{
    const char *why = why_not_share(o);
    const bool wanted = o->deal == DEAL_ALL || (o->deal == DEAL_AUTO && !world_replays());
    *shares = !why && wanted && self->n_workers > 1; /* what is replayed computes nothing */
    return !why || o->deal != DEAL_ALL || error_user(err, "--deal all %s", why);
}

course_batch course_batch_at(const course *self, int client, uint64_t step)
{
    const uint64_t n = self->shares ? (uint64_t)self->n_clients * self->batch : self->batch;
    const uint64_t there = self->shares ? self->n_train : self->images[client];
    const uint64_t begin = step * n, left = there - begin;
    course_batch b = {.first = begin, .n = left < n ? left : n, .begin = begin};
    b.n_all = b.n;
    if (!self->shares)
        return b;
    for (int k = 0; k < client; k++) /* what is left of a client's part, if less than a batch */
        b.first += rest_of(self, k, step);
    b.n = rest_of(self, client, step);
    return b;
}

uint64_t course_held(const course *self, int worker)
{
    return self->shares ? self->n_train : self->load[worker].images;
}

int course_longest(const course *self)
{
    int longest = 0;
    for (int k = 1; k < self->n_clients; k++)
        if (course_epoch(self, k) > course_epoch(self, longest))
            longest = k;
    return longest;
}

uint64_t course_smallest(const course *self, int client)
{
    uint64_t rest = self->images[client] % self->batch;
    return rest > 0 ? rest : self->batch;
}

uint64_t course_steps(const course *self, int client)
{
    return self->local_steps > 0 ? self->local_steps
                                 : self->local_epochs * course_epoch(self, client);
}

uint64_t course_steps_before(const course *self, int client, uint64_t k)
{
    return (uint64_t)((unsigned __int128)course_steps(self, client) * k / self->segments);
}

bool course_take(const course *self, uint64_t k, uint64_t *take)
{
    const unsigned __int128 takes = self->takes;
    uint64_t before = (uint64_t)(takes * k / self->segments);
    *take = before;
    return (uint64_t)(takes * (k + 1) / self->segments) > before;
}

bool course_tests(const course *self, uint64_t round)
{
    return (round + 1) % self->eval_every == 0 || round + 1 == self->rounds;
}

double course_images(const course *self)
{
    const double share = (double)self->participants / self->n_clients;
    double sum = 0.0;
    for (int k = 0; k < self->n_clients; k++)
        sum +=
            (double)course_steps(self, k) * (double)self->images[k] / (double)course_epoch(self, k);
    return share * sum;
}
