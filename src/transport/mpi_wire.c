#include "base/memory.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "mpi_wait.h"
#include "transport/transport.h"
#include "wire.h"

void wire_reduce(int64_t *q, size_t n)
{
    wait_sum(job_ranks, transport_is_server(), q, n);
}

void wire_allreduce(int64_t *q, size_t n)
{
    wait_sum_all(job_ranks, q, n);
}

/* Of the rank's slices, as MPI wants them: counts and offsets, sent and received. */
static struct {
    int *n_sent, *sent, *n_received, *received;
} slices;

void wire_start(void)
{
    size_t size = (size_t)transport_size();
    slices.n_sent = job_take(4 * size, sizeof(int));
    slices.sent = slices.n_sent + size;
    slices.n_received = slices.sent + size;
    slices.received = slices.n_received + size;
}

void wire_stop(void)
{
    memory_free(slices.n_sent);
}

void wire_scatter(const float *w, size_t n, const double *shares, float *rows)
{
    int rank = transport_rank(), size = transport_size();
    size_t first, mine = wire_slice(n, rank, size, &first);
    for (int r = 0; r < size; r++) {
        size_t theirs = wire_slice(n, r, size, &first);
        slices.sent[r] = (int)first;
        slices.n_sent[r] = r != rank && shares[rank] > 0 ? (int)theirs : 0;
        slices.received[r] = (int)((size_t)r * mine);
        slices.n_received[r] = r != rank && shares[r] > 0 ? (int)mine : 0;
    }
    double since_s = clock_now();
    MPI_Alltoallv(w, slices.n_sent, slices.sent, MPI_FLOAT, rows, slices.n_received,
                  slices.received, MPI_FLOAT, job_ranks);
    wait_spun(since_s);
}

void wire_allgather(float *w, size_t n)
{
    for (int r = 0; r < transport_size(); r++) {
        size_t first;
        slices.n_received[r] = (int)wire_slice(n, r, transport_size(), &first);
        slices.received[r] = (int)first;
    }
    double since_s = clock_now();
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, w, slices.n_received, slices.received, MPI_FLOAT,
                   job_ranks);
    wait_spun(since_s);
}
