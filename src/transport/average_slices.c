#include "average.h"
#include "wire.h"

/*
 * The two halves of an all-reduce of long vectors, reduce-scatter and all-gather, taken one by one: so
 * floats can travel, half the bytes of the 64-bit sums that MPI_Allreduce has to carry.
 */
static void slices_average(float *w, size_t n, const double *shares, void *scratch)
{
    size_t first, count = wire_slice(n, transport_rank(), transport_size(), &first);
    wire_scatter(w, n, shares, scratch);
    average_rows(w + first, scratch, count, shares);
    wire_allgather(w, n);
}

static size_t slices_bytes(size_t n, int rank, int size)
{
    size_t first, mine = wire_slice(n, rank, size, &first);
    size_t scattered = rank == 0 ? 0 : n - mine; /* the server has no share */
    return (scattered + mine * (size_t)(size - 1)) * sizeof(float);
}

const average_rule average_slices = {
    .name = "slices",
    .about = "every rank, the server too, averages a slice of the weights and sends it to all",
    .average = slices_average,
    .bytes = slices_bytes,
};
