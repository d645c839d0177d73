#include "average.h"
#include "transport/fixed.h"
#include "wire.h"

#include <string.h>

static void allreduce_average(float *w, size_t n, const double *shares, void *scratch)
{
    double share = shares[transport_rank()];
    int64_t *sum = scratch;
    if (share > 0)
        fixed_from_floats(sum, w, n, share);
    else
        memset(sum, 0, n * sizeof *sum); /* not 0 * w, which may be anything */
    wire_allreduce(sum, n);
    fixed_to_floats(w, sum, n);
}

/* As the usual algorithms for long vectors do it: each number is sent on twice, but for one rank's. */
static size_t allreduce_bytes(size_t n, int rank, int size)
{
    (void)rank;
    return 2 * n * (size_t)(size - 1) / (size_t)size * sizeof(int64_t);
}

const average_rule average_allreduce = {
    .name = "allreduce",
    .about = "MPI_Allreduce: all ranks add up together, no matter in which order",
    .average = allreduce_average,
    .bytes = allreduce_bytes,
};
