#include "roster.h"

#include "base/memory.h"
#include "base/random.h"
#include "transport/transport.h"

#include <stdlib.h>
#include <string.h>

bool roster_init(roster *self, const course *of, error *err)
{
    const size_t n = (size_t)of->n_clients;
    *self = (roster){.of = of, .n_slots = course_most(of)};
    self->places = memory_new(n, sizeof *self->places, err);
    self->slot = memory_new(n, sizeof *self->slot, err);
    self->taken = memory_new((size_t)transport_size(), sizeof *self->taken, err);
    self->lots = memory_new(n, sizeof *self->lots, err);
    return err->kind == ERROR_NONE;
}

void roster_release(roster *self)
{
    memory_free(self->places);
    memory_free(self->slot);
    memory_free(self->taken);
    memory_free(self->lots);
    *self = (roster){0};
}

int roster_rank(int worker)
{
    return transport_size() > 1 ? worker + 1 : 0;
}

size_t roster_at(const roster *self, int i)
{
    const roster_place *at = &self->places[i];
    return (size_t)at->rank * (size_t)self->n_slots + (size_t)at->slot;
}

static int by_number(const void *a, const void *b)
{
    const roster_lot *x = a, *y = b;
    const int order = (x->number > y->number) - (x->number < y->number);
    return order != 0 ? order : x->client - y->client;
}

void roster_draw(roster *self, uint64_t round)
{
    const course *on = self->of;
    const uint64_t stream = random_stream(RANDOM_PARTICIPATION, 0, (uint32_t)round);
    for (int k = 0; k < on->n_clients; k++) {
        self->lots[k] = (roster_lot){random_u64(on->seed, stream, (uint64_t)k), k};
        self->slot[k] = -1;
    }
    qsort(self->lots, (size_t)on->n_clients, sizeof *self->lots, by_number);
    for (int i = 0; i < on->participants; i++)
        self->slot[self->lots[i].client] = 0; /* which one: by their numbers, below */
    self->n = 0;
    memset(self->taken, 0, (size_t)transport_size() * sizeof *self->taken);
    for (int k = 0; k < on->n_clients; k++) {
        const int rank = roster_rank(on->worker[k]);
        if (self->slot[k] < 0)
            continue;
        self->slot[k] = self->taken[rank]++;
        self->places[self->n++] = (roster_place){k, rank, self->slot[k]};
    }
}
