#include "mpi_wait.h"

#include "base/world.h"
#include "mpi_job.h"
#include "transport/transport.h"
#include "wire.h"

/* A nap may cost 30 us of CPU and makes a rank late by half its length on average: so short waits
 * are kept exact and long ones cheap. */
static double nap_length(double waited_s)
{
    if (waited_s < 16 * 20e-6)
        return 20e-6;
    if (waited_s < 16 * 1e-3)
        return waited_s / 16;
    if (waited_s < 256 * 1e-3)
        return 1e-3;
    return waited_s < 256 * 4e-3 ? waited_s / 256 : 4e-3;
}

static struct {
    transport_hook *call;
    void *arg;
} on_wait;

void transport_on_wait(transport_hook *hook, void *arg)
{
    on_wait.call = hook;
    on_wait.arg = arg;
}

static void call_hook(void)
{
    if (on_wait.call)
        on_wait.call(on_wait.arg);
}

static void wait_nap(double since_s)
{
    double waited_s = clock_now() - since_s;
    call_hook();
    world_nap(waited_s < 20e-6 ? 0.0 : nap_length(waited_s));
}

/* Where nothing happens while nobody looks there is no need to look again and again; who has waited is late by half a
 * nap, as on average. */
static void wait_simulated(double since_s)
{
    call_hook();
    double waited_s = clock_now() - since_s;
    world_nap(waited_s < 20e-6 ? 0.0 : nap_length(waited_s) / 2);
}

void wait_request(MPI_Request *request)
{
    double since_s = clock_now();
    int done;
    if (world_simulator()) {
        call_hook();
        MPI_Wait(request, MPI_STATUS_IGNORE);
        wait_simulated(since_s);
        return;
    }
    for (MPI_Test(request, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(request, &done, MPI_STATUS_IGNORE))
        wait_nap(since_s);
}

/* SMPI's MPI_Ibcast has its root send to each of any number of ranks; Open MPI's of more than four make a tree. */
void wait_broadcast(void *data, size_t n_bytes, int root)
{
    enum { FEW = 4 };
    double since_s = clock_now();
    if (world_simulator() && transport_size() > FEW) {
        call_hook();
        MPI_Bcast(data, (int)n_bytes, MPI_BYTE, root, job_ranks);
        wait_simulated(since_s);
        return;
    }
    MPI_Request request;
    MPI_Ibcast(data, (int)n_bytes, MPI_BYTE, root, job_ranks, &request);
    wait_request(&request);
}

void wait_message(int source, int tag)
{
    double since_s = clock_now();
    int there;
    if (world_simulator()) /* the receive that follows waits as well */
        return;
    for (MPI_Iprobe(source, tag, job_ranks, &there, MPI_STATUS_IGNORE); !there;
         MPI_Iprobe(source, tag, job_ranks, &there, MPI_STATUS_IGNORE))
        wait_nap(since_s);
}

static double t_spun_s;

void wait_spun(double since_s)
{
    t_spun_s += clock_now() - since_s;
}

void wait_sum(MPI_Comm ranks, bool first, int64_t *q, size_t n)
{
    double since_s = clock_now();
    if (first)
        MPI_Reduce(MPI_IN_PLACE, q, (int)n, MPI_INT64_T, MPI_SUM, 0, ranks);
    else
        MPI_Reduce(q, NULL, (int)n, MPI_INT64_T, MPI_SUM, 0, ranks);
    wait_spun(since_s);
}

void wait_sum_all(MPI_Comm ranks, int64_t *q, size_t n)
{
    double since_s = clock_now();
    MPI_Allreduce(MPI_IN_PLACE, q, (int)n, MPI_INT64_T, MPI_SUM, ranks);
    wait_spun(since_s);
}

double wire_take_time(void)
{
    double t_s = t_spun_s;
    t_spun_s = 0.0;
    return t_s;
}
