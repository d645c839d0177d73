#include "mpi_job.h"
#include "mpi_parts.h"
#include "mpi_wait.h"
#include "transport/transport.h"

#include <assert.h>

/*
 * Asleep, a synchronous message with the size goes first: it is complete when the receiver has come, and
 * both sleep until then.  The data follow at full speed, with two ranks that are awake.
 */
static void send_size(uint64_t n_bytes, int to)
{
    MPI_Request request;
    MPI_Issend(&n_bytes, 1, MPI_UINT64_T, to, TAG_SIZE, job_ranks, &request);
    wait_request(&request);
}

static void receive_size(uint64_t n_bytes, int from)
{
    uint64_t sent;
    wait_message(from, TAG_SIZE);
    MPI_Recv(&sent, 1, MPI_UINT64_T, from, TAG_SIZE, job_ranks, MPI_STATUS_IGNORE);
    if (sent == n_bytes)
        return;
    error err = {0};
    error_environment(&err,
                      "rank %d on %s: rank %d sends %llu bytes instead of %llu: run the same build "
                      "of bramble on all ranks",
                      transport_rank(), transport_host(), from, (unsigned long long)sent,
                      (unsigned long long)n_bytes);
    transport_abort(&err);
}

void transport_send(const void *data, size_t n_bytes, int to, enum transport_wait how)
{
    assert(to != transport_rank());
    if (how == TRANSPORT_SLEEP)
        send_size(n_bytes, to);
    double since_s = clock_now();
    for (size_t done = 0, piece; done < n_bytes; done += piece) {
        piece = job_piece(n_bytes - done);
        MPI_Send((const char *)data + done, (int)piece, MPI_BYTE, to, TAG_DATA, job_ranks);
    }
    if (how == TRANSPORT_SPIN)
        wait_spun(since_s);
}

void transport_receive(void *data, size_t n_bytes, int from, enum transport_wait how)
{
    assert(from != transport_rank());
    if (how == TRANSPORT_SLEEP)
        receive_size(n_bytes, from);
    double since_s = clock_now();
    for (size_t done = 0, piece; done < n_bytes; done += piece) {
        piece = job_piece(n_bytes - done);
        MPI_Recv((char *)data + done, (int)piece, MPI_BYTE, from, TAG_DATA, job_ranks,
                 MPI_STATUS_IGNORE);
    }
    if (how == TRANSPORT_SPIN)
        wait_spun(since_s);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A worker's, on its way by: */
static int64_t word_sent;
static MPI_Request sending = MPI_REQUEST_NULL;

void message_start(void)
{
    sending = MPI_REQUEST_NULL;
}

void message_stop(void)
{
    if (sending != MPI_REQUEST_NULL)
        MPI_Request_free(&sending);
}

bool transport_send_word(int64_t word)
{
    int done = 1;
    if (transport_is_server())
        return true;
    MPI_Test(&sending, &done, MPI_STATUS_IGNORE);
    if (!done)
        return false;
    word_sent = word;
    MPI_Isend(&word_sent, 1, MPI_INT64_T, 0, TAG_WORD, job_ranks, &sending);
    return true;
}

bool transport_receive_word(int *rank, int64_t *word)
{
    int there;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, TAG_WORD, job_ranks, &there, &status);
    if (!there)
        return false;
    MPI_Recv(word, 1, MPI_INT64_T, status.MPI_SOURCE, TAG_WORD, job_ranks, &status);
    *rank = status.MPI_SOURCE;
    return true;
}
