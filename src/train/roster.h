/*
 * roster.h - who takes part in a round, and which rank trains it
 */
#ifndef BRAMBLE_TRAIN_ROSTER_H
#define BRAMBLE_TRAIN_ROSTER_H

#include "base/error.h"
#include "course.h"

#include <stdint.h>

/* A client that takes part: the slot-th of its rank, 0 <= slot < n_slots. */
typedef struct roster_place {
    int client, rank, slot;
} roster_place;

/* A client and the number of chance it has drawn. */
typedef struct roster_lot {
    uint64_t number;
    int client;
} roster_lot;

typedef struct roster {
    const course *of;
    int n_slots;          /* the most that one rank may have in a round */
    int n;                /* that take part in this one */
    roster_place *places; /* n, by the client's number */
    int *slot;            /* of each client; -1: it sits out */
    int *taken;           /* of each rank */
    roster_lot *lots;     /* of each client, the lowest first */
} roster;

/* roster_init - memory; of must outlive it.  false with err (environment); then it is to be released, too. */
bool roster_init(roster *self, const course *of, error *err);
void roster_release(roster *self);

/* roster_draw - those of a round (0-based): a function of the seed and the round.  Not collective, the same on all ranks. */
void roster_draw(roster *self, uint64_t round);

/* roster_rank - of a worker (0-based) */
int roster_rank(int worker);

/* roster_at - place i's row where each rank has n_slots of them, one rank's behind the other's */
size_t roster_at(const roster *self, int i);

#endif
