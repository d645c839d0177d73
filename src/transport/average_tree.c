#include "rules.h"
#include "wire.h"

#include <math.h>

/* Numbers on their way within a group at a time, as average_reduce.c has it. */
enum { BLOCK = 16384 };

static void tree_average(const average_piece *p)
{
    int64_t *sum = p->sum ? p->sum : p->scratch;
    for (size_t first = 0; first < p->n; first += BLOCK) {
        size_t count = p->n - first < BLOCK ? p->n - first : BLOCK;
        if (!p->sum)
            rule_weigh(sum + first, p->w + first, count, p->shares[transport_rank()]);
        wire_group_reduce(sum + first, count);
    }
    if (wire_leads()) {
        wire_leaders_allreduce(sum, p->n);
        rule_unweigh(p->w, sum, p->n);
    }
    wire_group_broadcast(p->w, p->n);
}

static size_t tree_scratch_bytes(size_t n, int rank, int size)
{
    (void)rank;
    (void)size;
    return n * sizeof(int64_t);
}

static int count_groups(int workers, int group)
{
    return (workers + group - 1) / group;
}

/* Leaders, and the server, send what they send to all others of their kind as in an all-reduce, and to their group. */
static size_t tree_bytes(size_t n, int rank, int size, int group)
{
    if (size == 1)
        return 0;
    const int g = average_group((uint64_t)group, size - 1, 0), before = rank - 1;
    if (rank > 0 && before % g != 0)
        return n * sizeof(int64_t);
    const int left = size - 1 - before, members = rank == 0 ? 0 : (left < g ? left : g) - 1;
    return average_allreduce.bytes(n, 0, 1 + count_groups(size - 1, g), 0) +
           (size_t)members * n * sizeof(float);
}

/* A tree and a broadcast within a group, and between them what the leaders do together. */
static average_cost tree_cost(size_t n, int workers, int group)
{
    const int g = average_group((uint64_t)group, workers, 0), others = g - 1;
    const double depth = others > 0 ? rule_depth(others) : 0.0;
    average_cost sum = average_allreduce.cost(n, count_groups(workers, g), 0);
    sum.messages += depth * ceil((double)n / BLOCK) + rule_broadcast(others);
    sum.bytes += depth * (double)(n * sizeof(int64_t)) +
                 rule_broadcast(others) * (double)(n * sizeof(float));
    sum.adds += depth * (double)n;
    return sum;
}

/*
 * Two levels: each group adds up on the way to its first worker, these and the server do what allreduce does, and
 * broadcast the mean to their groups.
 */
const average_rule average_tree = {
    .name = "tree",
    .sums = true,
    .exact = true,
    .groups = true,
    .average = tree_average,
    .scratch_bytes = tree_scratch_bytes,
    .bytes = tree_bytes,
    .cost = tree_cost,
};
