#include "average.h"
#include "wire.h"

static void gather_average(float *w, size_t n, const double *shares, void *scratch)
{
    wire_gather(w, n, scratch);
    if (transport_is_server())
        average_rows(w, scratch, n, shares);
    wire_broadcast(w, n, 0);
}

static size_t gather_bytes(size_t n, int rank, int size)
{
    return rank == 0 ? (size_t)(size - 1) * n * sizeof(float) : n * sizeof(float);
}

const average_rule average_gather = {
    .name = "gather",
    .about = "the server collects all weights, adds them up in rank order and broadcasts the mean",
    .average = gather_average,
    .bytes = gather_bytes,
};
