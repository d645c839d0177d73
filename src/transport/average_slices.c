#include "rules.h"
#include "wire.h"

/*
 * The two halves of an all-reduce of long vectors, reduce-scatter and all-gather, taken one by one: so
 * floats can travel, half the bytes of the 64-bit sums that MPI_Allreduce has to carry.
 */
static void slices_average(const average_piece *p)
{
    size_t first, count = wire_slice(p->n, transport_rank(), transport_size(), &first);
    wire_scatter(p->w, p->n, p->shares, p->scratch);
    rule_add_rows(p->w + first, p->scratch, count, p->shares);
    wire_allgather(p->w, p->n);
}

static size_t slices_scratch_bytes(size_t n, int rank, int size)
{
    size_t first;
    return (size_t)size * wire_slice(n, rank, size, &first) * sizeof(float);
}

static size_t slices_bytes(size_t n, int rank, int size, int group)
{
    (void)group;
    size_t first, mine = wire_slice(n, rank, size, &first);
    size_t scattered = rank == 0 ? 0 : n - mine; /* the server has no share */
    return (scattered + mine * (size_t)(size - 1)) * sizeof(float);
}

/* Every link has the same to do. */
static average_cost slices_cost(size_t n, int workers, int group)
{
    (void)group;
    return (average_cost){
        .messages = 2.0 * workers,
        .bytes = (double)slices_bytes(n, 1, workers + 1, 0),
        .adds = (double)n,
    };
}

/* Reduce-scatter and all-gather: every rank, the server too, averages a slice of the weights and sends it to all. */
const average_rule average_slices = {
    .name = "slices",
    .exact = true,
    .average = slices_average,
    .scratch_bytes = slices_scratch_bytes,
    .bytes = slices_bytes,
    .cost = slices_cost,
};
