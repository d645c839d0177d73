#include "mpi_wait.h"
#include "transport/transport.h"

void transport_collect(const void *mine, size_t n_bytes, void *all, transport_idle *idle, void *arg)
{
    MPI_Request request;
    MPI_Igather(mine, (int)n_bytes, MPI_BYTE, all, (int)n_bytes, MPI_BYTE, 0, job_ranks, &request);
    int done = 0;
    bool busy = transport_is_server() && idle;
    while (busy && !done) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        busy = !done && idle(arg);
    }
    if (!done)
        wait_request(&request);
}

void transport_announce(void *data, size_t n_bytes)
{
    MPI_Request request;
    MPI_Ibcast(data, (int)n_bytes, MPI_BYTE, 0, job_ranks, &request);
    wait_request(&request);
}
