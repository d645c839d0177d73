#include "base/memory.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "mpi_wait.h"
#include "transport/average.h"
#include "transport/transport.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

enum { HOST_BYTES = 64 };

static int grouped;

void groups_start(void)
{
    job_group = job_leaders = MPI_COMM_NULL;
    grouped = 0;
}

void groups_stop(void)
{
    if (job_group != MPI_COMM_NULL)
        MPI_Comm_free(&job_group);
    if (job_leaders != MPI_COMM_NULL)
        MPI_Comm_free(&job_leaders);
    groups_start();
}

/* How many workers, from the first on, have one host. */
static int count_together(void)
{
    const size_t size = (size_t)transport_size();
    char mine[HOST_BYTES], *all = job_take(size, HOST_BYTES);
    size_t next = 1;
    snprintf(mine, sizeof mine, "%s", transport_host());
    transport_allgather(mine, sizeof mine, all);
    while (next < size && strcmp(all + next * HOST_BYTES, all + HOST_BYTES) == 0)
        next++;
    memory_free(all);
    return (int)next - 1;
}

int transport_group(uint64_t asked)
{
    const int rank = transport_rank();
    groups_stop();
    grouped = average_group(asked, transport_workers(), count_together());
    const int number = rank == 0 ? 0 : 1 + (rank - 1) / grouped;
    const bool leads = rank == 0 || (rank - 1) % grouped == 0;
    MPI_Comm_split(job_ranks, number, rank, &job_group);
    MPI_Comm_split(job_ranks, leads ? 0 : MPI_UNDEFINED, rank, &job_leaders);
    return grouped;
}

int transport_grouped(void)
{
    return grouped;
}

bool wire_leads(void)
{
    return job_leaders != MPI_COMM_NULL;
}

void wire_group_reduce(int64_t *q, size_t n)
{
    wait_sum(job_group, wire_leads(), q, n);
}

void wire_leaders_allreduce(int64_t *q, size_t n)
{
    wait_sum_all(job_leaders, q, n);
}

void wire_group_broadcast(float *w, size_t n)
{
    double since_s = clock_now();
    MPI_Bcast(w, (int)n, MPI_FLOAT, 0, job_group);
    wait_spun(since_s);
}
