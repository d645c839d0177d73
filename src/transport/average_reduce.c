#include "rules.h"
#include "wire.h"

#include <math.h>

enum { BLOCK = 16384 }; /* numbers on their way at a time; twice as fast as all at once */

static void reduce_average(const average_piece *p)
{
    for (size_t first = 0; first < p->n; first += BLOCK) {
        size_t count = p->n - first < BLOCK ? p->n - first : BLOCK;
        int64_t *sum = p->sum ? p->sum + first : p->scratch;
        if (!p->sum)
            rule_weigh(sum, p->w + first, count, p->shares[transport_rank()]);
        wire_reduce(sum, count);
        if (transport_is_server())
            rule_unweigh(p->w + first, sum, count);
    }
    transport_broadcast(p->w, p->n * sizeof *p->w, 0, TRANSPORT_SPIN);
}

static size_t reduce_scratch_bytes(size_t n, int rank, int size)
{
    (void)rank;
    (void)size;
    return (n < BLOCK ? n : BLOCK) * sizeof(int64_t);
}

static size_t reduce_bytes(size_t n, int rank, int size, int group)
{
    (void)group;
    return rank == 0 ? (size_t)(size - 1) * n * sizeof(float) : n * sizeof(int64_t);
}

/* The server hears from as many as a tree has levels, and sends the mean to each. */
static average_cost reduce_cost(size_t n, int workers, int group)
{
    (void)group;
    double depth = rule_depth(workers);
    return (average_cost){
        .messages = depth * ceil((double)n / BLOCK) + rule_broadcast(workers),
        .bytes = depth * (double)(n * sizeof(int64_t)) +
                 rule_broadcast(workers) * (double)(n * sizeof(float)),
        .adds = (double)n * (1.0 + depth),
    };
}

/* The ranks add up on the way to the server, which broadcasts the mean. */
const average_rule average_reduce = {
    .name = "reduce",
    .sums = true,
    .exact = true,
    .average = reduce_average,
    .scratch_bytes = reduce_scratch_bytes,
    .bytes = reduce_bytes,
    .cost = reduce_cost,
};
