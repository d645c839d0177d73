#include "rules.h"

static void gather_average(const average_piece *p)
{
    bool server = transport_is_server();
    size_t n_bytes = p->n * sizeof *p->w;
    transport_gather(server ? NULL : p->w, n_bytes, p->scratch, TRANSPORT_SPIN);
    if (server)
        rule_add_rows(p->w, p->scratch, p->n, p->shares);
    transport_broadcast(p->w, n_bytes, 0, TRANSPORT_SPIN);
}

static size_t gather_scratch_bytes(size_t n, int rank, int size)
{
    return rank == 0 ? (size_t)size * n * sizeof(float) : 0;
}

static size_t gather_bytes(size_t n, int rank, int size)
{
    return rank == 0 ? (size_t)(size - 1) * n * sizeof(float) : n * sizeof(float);
}

/* All pass the server's link, one after the other, to and fro. */
static average_cost gather_cost(size_t n, int workers)
{
    return (average_cost){
        .messages = workers + rule_broadcast(workers),
        .bytes = (workers + rule_broadcast(workers)) * (double)(n * sizeof(float)),
        .adds = workers * (double)n,
    };
}

/* The server collects all weights, adds them up in rank order and broadcasts the mean. */
const average_rule average_gather = {
    .name = "gather",
    .exact = true,
    .average = gather_average,
    .scratch_bytes = gather_scratch_bytes,
    .bytes = gather_bytes,
    .cost = gather_cost,
};
