#include "rules.h"
#include "wire.h"

#include <math.h>

static void allreduce_average(const average_piece *p)
{
    int64_t *sum = p->sum ? p->sum : p->scratch;
    if (!p->sum)
        rule_weigh(sum, p->w, p->n, p->shares[transport_rank()]);
    wire_allreduce(sum, p->n);
    rule_unweigh(p->w, sum, p->n);
}

static size_t allreduce_scratch_bytes(size_t n, int rank, int size)
{
    (void)rank;
    (void)size;
    return n * sizeof(int64_t);
}

/* As the usual algorithms for long vectors do it: each number is sent on twice, but for one rank's. */
static size_t allreduce_bytes(size_t n, int rank, int size, int group)
{
    (void)group;
    (void)rank;
    return 2 * n * (size_t)(size - 1) / (size_t)size * sizeof(int64_t);
}

/* Halves are exchanged among a power of two of the ranks; the others come before and after. */
static average_cost allreduce_cost(size_t n, int workers, int group)
{
    (void)group;
    double depth = rule_depth(workers), low = floor(log2((double)workers + 1.0));
    double part = 1.0 - pow(0.5, low), x = (double)sizeof(float) * (double)n;
    return (average_cost){
        .messages = 2.0 * low + 3.0 * (depth - low),
        .bytes = 4.0 * x * (part + depth - low),
        .adds = (double)n * (1.0 + depth),
    };
}

/* MPI_Allreduce: all ranks add up together, no matter in which order. */
const average_rule average_allreduce = {
    .name = "allreduce",
    .sums = true,
    .exact = true,
    .average = allreduce_average,
    .scratch_bytes = allreduce_scratch_bytes,
    .bytes = allreduce_bytes,
    .cost = allreduce_cost,
};
