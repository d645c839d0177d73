#include "base/memory.h"
#include "mpi_wait.h"
#include "transport/transport.h"
#include "wire.h"

#include <assert.h>
#include <string.h>

static const size_t PIECE_BYTES = (size_t)1 << 29; /* counts are ints */

static size_t piece_bytes(size_t left)
{
    return left < PIECE_BYTES ? left : PIECE_BYTES;
}

void transport_broadcast(void *data, size_t n_bytes)
{
    wait_all();
    for (size_t done = 0; done < n_bytes; done += piece_bytes(n_bytes - done))
        MPI_Bcast((char *)data + done, (int)piece_bytes(n_bytes - done), MPI_BYTE, 0, job_ranks);
}

char *transport_broadcast_text(char *text)
{
    uint64_t n_bytes = transport_is_server() ? strlen(text) + 1 : 0;
    transport_broadcast(&n_bytes, sizeof n_bytes);
    if (!transport_is_server()) {
        error err = {0};
        text = memory_new(1, n_bytes, &err);
        if (!text) {
            error_prefix(&err, "rank %d on %s", transport_rank(), transport_host());
            transport_abort(&err);
        }
    }
    transport_broadcast(text, n_bytes);
    return text;
}

/*
 * A synchronous message with the size goes first: it is complete when the receiver has come, and
 * both sleep until then.  The data follow at full speed, with two ranks that are awake.
 */
void transport_send(const void *data, size_t n_bytes, int rank)
{
    assert(transport_is_server() && rank != 0);
    uint64_t announced = n_bytes;
    MPI_Request request;
    MPI_Issend(&announced, 1, MPI_UINT64_T, rank, TAG_SIZE, job_ranks, &request);
    wait_request(&request);
    for (size_t done = 0; done < n_bytes; done += piece_bytes(n_bytes - done))
        MPI_Send((const char *)data + done, (int)piece_bytes(n_bytes - done), MPI_BYTE, rank,
                 TAG_DATA, job_ranks);
}

void transport_receive(void *data, size_t n_bytes)
{
    assert(!transport_is_server());
    uint64_t announced;
    wait_message(0, TAG_SIZE);
    MPI_Recv(&announced, 1, MPI_UINT64_T, 0, TAG_SIZE, job_ranks, MPI_STATUS_IGNORE);
    if (announced != n_bytes) {
        error err = {0};
        error_environment(&err,
                          "rank %d on %s: the server sends %llu bytes instead of %zu: "
                          "run the same build of bramble on all ranks",
                          transport_rank(), transport_host(), (unsigned long long)announced,
                          n_bytes);
        transport_abort(&err);
    }
    for (size_t done = 0; done < n_bytes; done += piece_bytes(n_bytes - done))
        MPI_Recv((char *)data + done, (int)piece_bytes(n_bytes - done), MPI_BYTE, 0, TAG_DATA,
                 job_ranks, MPI_STATUS_IGNORE);
}

void transport_pass(const void *data, size_t n_bytes, int to)
{
    for (size_t done = 0; done < n_bytes; done += piece_bytes(n_bytes - done))
        MPI_Send((const char *)data + done, (int)piece_bytes(n_bytes - done), MPI_BYTE, to,
                 TAG_PASS, job_ranks);
}

void transport_take(void *data, size_t n_bytes, int from)
{
    for (size_t done = 0; done < n_bytes; done += piece_bytes(n_bytes - done))
        MPI_Recv((char *)data + done, (int)piece_bytes(n_bytes - done), MPI_BYTE, from, TAG_PASS,
                 job_ranks, MPI_STATUS_IGNORE);
}

void transport_gather(const void *mine, size_t n_bytes, void *all)
{
    assert(n_bytes <= (size_t)1 << 30); /* floats of the largest model there may be */
    wait_all();
    MPI_Gather(mine, (int)n_bytes, MPI_BYTE, all, (int)n_bytes, MPI_BYTE, 0, job_ranks);
}

/* ---- for the averaging rules ----------------------------------------------------------------- */

static double t_wire_s;

double wire_take_time(void)
{
    double t_s = t_wire_s;
    t_wire_s = 0.0;
    return t_s;
}

void wire_broadcast(float *w, size_t n, int root)
{
    double since_s = clock_now();
    MPI_Bcast(w, (int)n, MPI_FLOAT, root, job_ranks);
    t_wire_s += clock_now() - since_s;
}

void wire_gather(const float *w, size_t n, float *rows)
{
    double since_s = clock_now();
    MPI_Gather(transport_is_server() ? MPI_IN_PLACE : w, (int)n, MPI_FLOAT, rows, (int)n, MPI_FLOAT,
               0, job_ranks);
    t_wire_s += clock_now() - since_s;
}

void wire_reduce(int64_t *q, size_t n)
{
    double since_s = clock_now();
    if (transport_is_server())
        MPI_Reduce(MPI_IN_PLACE, q, (int)n, MPI_INT64_T, MPI_SUM, 0, job_ranks);
    else
        MPI_Reduce(q, NULL, (int)n, MPI_INT64_T, MPI_SUM, 0, job_ranks);
    t_wire_s += clock_now() - since_s;
}

void wire_allreduce(int64_t *q, size_t n)
{
    double since_s = clock_now();
    MPI_Allreduce(MPI_IN_PLACE, q, (int)n, MPI_INT64_T, MPI_SUM, job_ranks);
    t_wire_s += clock_now() - since_s;
}

/* Of the rank's slices, as MPI wants them: counts and offsets, sent and received. */
static struct {
    int *n_sent, *sent, *n_received, *received;
} slices;

void move_start(void)
{
    error err = {0};
    size_t size = (size_t)transport_size();
    slices.n_sent = memory_new(4 * size, sizeof(int), &err);
    if (!slices.n_sent) {
        error_prefix(&err, "rank %d on %s", transport_rank(), transport_host());
        transport_abort(&err);
    }
    slices.sent = slices.n_sent + size;
    slices.n_received = slices.sent + size;
    slices.received = slices.n_received + size;
}

void move_stop(void)
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
    t_wire_s += clock_now() - since_s;
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
    t_wire_s += clock_now() - since_s;
}
