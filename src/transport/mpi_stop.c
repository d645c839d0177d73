#include "base/clock.h"
#include "base/memory.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "mpi_wait.h"
#include "transport/transport.h"

#include <assert.h>
#include <math.h>

/* A worker asks before every step.  MPI may hand the core to whoever waits for it when there is no message, and where the
 * cores are shared it comes back milliseconds later: several steps of a small net. */
#define ASK_EVERY_S 0.002

static struct {
    bool called;        /* as far as this rank has heard */
    double asked_s;     /* when it last asked MPI */
    MPI_Request *sends; /* the server's, one per rank */
    bool *all;          /* of all ranks, when it is cleared */
} stop;

void stop_start(void)
{
    size_t size = (size_t)transport_size();
    stop.called = false;
    stop.asked_s = -INFINITY;
    stop.sends = job_take(size, sizeof *stop.sends);
    stop.all = job_take(size, sizeof *stop.all);
    for (size_t r = 0; r < size; r++)
        stop.sends[r] = MPI_REQUEST_NULL;
}

void stop_stop(void)
{
    memory_free(stop.sends);
    memory_free(stop.all);
}

void transport_call_stop(void)
{
    assert(transport_is_server() && !stop.called);
    stop.called = true;
    for (int r = 1; r < transport_size(); r++)
        MPI_Isend(NULL, 0, MPI_BYTE, r, TAG_STOP, job_ranks, &stop.sends[r]);
}

static void hear(void)
{
    MPI_Recv(NULL, 0, MPI_BYTE, 0, TAG_STOP, job_ranks, MPI_STATUS_IGNORE);
    stop.called = true;
}

bool transport_stop_called(void)
{
    const double now_s = clock_now();
    int there = 0;
    if (!stop.called && !transport_is_server() && now_s - stop.asked_s >= ASK_EVERY_S) {
        stop.asked_s = now_s;
        MPI_Iprobe(0, TAG_STOP, job_ranks, &there, MPI_STATUS_IGNORE);
    }
    if (there)
        hear();
    return stop.called;
}

/* Nobody leaves before all have come, so the next stop cannot be taken for this one. */
bool transport_clear_stop(void)
{
    transport_allgather(&stop.called, sizeof stop.called, stop.all);
    bool called = stop.all[0];
    if (called && !stop.called) { /* the message is on its way */
        wait_message(0, TAG_STOP);
        hear();
    }
    MPI_Waitall(transport_size(), stop.sends, MPI_STATUSES_IGNORE);
    stop.called = false;
    return called;
}
