#include "rules.h"

/* Floats that the server collects at a time, 64 MB: of 270 ranks the study's net whole, of more ranks a part of it. */
enum { ROOM = 1 << 24 };

static size_t block_floats(size_t n, int size)
{
    size_t most = ROOM / (size_t)size;
    return n < most ? n : most;
}

static void gather_average(const average_piece *p)
{
    const bool server = transport_is_server();
    const size_t block = block_floats(p->n, transport_size());
    for (size_t first = 0; first < p->n; first += block) {
        size_t count = p->n - first < block ? p->n - first : block;
        transport_gather(server ? NULL : p->w + first, count * sizeof *p->w, p->scratch,
                         TRANSPORT_SPIN);
        if (server)
            rule_add_rows(p->w + first, p->scratch, count, p->shares);
    }
    transport_broadcast(p->w, p->n * sizeof *p->w, 0, TRANSPORT_SPIN);
}

static size_t gather_scratch_bytes(size_t n, int rank, int size)
{
    return rank == 0 ? (size_t)size * block_floats(n, size) * sizeof(float) : 0;
}

static size_t gather_bytes(size_t n, int rank, int size, int group)
{
    (void)group;
    return rank == 0 ? (size_t)(size - 1) * n * sizeof(float) : n * sizeof(float);
}

/* All pass the server's link, one after the other, to and fro. */
static average_cost gather_cost(size_t n, int workers, int group)
{
    (void)group;
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
