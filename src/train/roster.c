#include "roster.h"

#include "base/memory.h"
#include "base/random.h"
#include "transport/transport.h"

#include <string.h>

bool roster_init(roster *self, const course *of, error *err)
{
    const size_t n = (size_t)of->n_clients;
    *self = (roster){.of = of, .n_slots = course_most(of)};
    self->places = memory_new(n, sizeof *self->places, err);
    self->slot = memory_new(n, sizeof *self->slot, err);
    self->taken = memory_new((size_t)transport_size(), sizeof *self->taken, err);
    self->draws = memory_new(n, sizeof *self->draws, err);
    return err->kind == ERROR_NONE;
}

void roster_release(roster *self)
{
    memory_free(self->places);
    memory_free(self->slot);
    memory_free(self->taken);
    memory_free(self->draws);
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

/* Those with the smallest numbers of chance do. */
static bool takes_part(const roster *self, int client)
{
    const uint64_t mine = self->draws[client];
    int before = 0;
    for (int k = 0; k < self->of->n_clients; k++)
        before += self->draws[k] < mine || (k < client && self->draws[k] == mine);
    return before < self->of->participants;
}

void roster_draw(roster *self, uint64_t round)
{
    const course *on = self->of;
    const uint64_t stream = random_stream(RANDOM_PARTICIPATION, 0, (uint32_t)round);
    const bool all = on->participants == on->n_clients;
    for (int k = 0; k < on->n_clients && !all; k++)
        self->draws[k] = random_u64(on->seed, stream, (uint64_t)k);
    self->n = 0;
    memset(self->taken, 0, (size_t)transport_size() * sizeof *self->taken);
    for (int k = 0; k < on->n_clients; k++) {
        const int rank = roster_rank(on->worker[k]);
        self->slot[k] = -1;
        if (!all && !takes_part(self, k))
            continue;
        self->slot[k] = self->taken[rank]++;
        self->places[self->n++] = (roster_place){k, rank, self->slot[k]};
    }
}
