#include "base/memory.h"
#include "base/world.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "mpi_wait.h"
#include "transport/transport.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const size_t SHORT_BYTES = (size_t)1 << 16; /* up to here nobody has to wait for the last */
static const size_t RECORD_BYTES = 4096;
enum { FEW = 16 };

/* A byte of 0 goes before each record: builds that understand no more of each other read it so. */
static struct {
    char *mine, *all;
} records;

void collective_start(void)
{
    records.mine = job_take(1, 1 + RECORD_BYTES);
    records.all = job_take((size_t)transport_size(), 1 + RECORD_BYTES);
}

void collective_stop(void)
{
    memory_free(records.mine);
    memory_free(records.all);
}

/* From each to each. */
static void exchange_directly(const void *mine, size_t n_bytes)
{
    MPI_Request request;
    MPI_Iallgather(mine, (int)n_bytes, MPI_BYTE, records.all, (int)n_bytes, MPI_BYTE, job_ranks,
                   &request);
    wait_request(&request);
}

/* Of many ranks by way of the server: with N * N messages a thousand would take seconds to say a word. */
static void exchange(const void *mine, size_t n_bytes)
{
    MPI_Request request;
    const int size = transport_size();
    if (size <= FEW) {
        exchange_directly(mine, n_bytes);
        return;
    }
    MPI_Igather(mine, (int)n_bytes, MPI_BYTE, records.all, (int)n_bytes, MPI_BYTE, 0, job_ranks,
                &request);
    wait_request(&request);
    wait_broadcast(records.all, (size_t)size * n_bytes, 0);
}

void transport_allgather(const void *mine, size_t n_bytes, void *all)
{
    assert(n_bytes <= RECORD_BYTES);
    if (n_bytes > 0)
        memcpy(records.mine + 1, mine, n_bytes);
    exchange(records.mine, 1 + n_bytes);
    for (size_t r = 0; n_bytes > 0 && r < (size_t)transport_size(); r++)
        memcpy((char *)all + r * n_bytes, records.all + r * (1 + n_bytes) + 1, n_bytes);
}

void transport_barrier(void)
{
    transport_allgather(NULL, 0, NULL);
}

/* ---- greet, agree ---------------------------------------------------------------------------- */

enum { GREETING = 0xB2 }; /* a build that does not greet begins with transport_agree's 0 or 1 */

/* rank -1: not known which */
static void describe_stranger(int rank, error *err)
{
    char who[32] = "another rank";
    if (rank >= 0)
        snprintf(who, sizeof who, "rank %d", rank);
    error_user(
        err,
        "rank %d on %s: %s runs another command, or another build of bramble: put one build on "
        "all hosts, and start all ranks alike",
        transport_rank(), transport_host(), who);
}

/* An error of MPI is another's longer message. */
static void greet_fail(int code)
{
    (void)code;
    error err = {0};
    describe_stranger(-1, &err);
    transport_abort(&err);
}

void transport_greet(void)
{
    unsigned char word = GREETING;
    if (world_simulator()) /* all ranks have their program from one file */
        return;
    job_failure *before = job_on_failure(greet_fail);
    exchange_directly(&word, 1); /* as every build has done it */
    job_on_failure(before);
    const unsigned char *all = (const unsigned char *)records.all;
    int size = transport_size(), stranger = 0, first = 0;
    while (stranger < size && all[stranger] == GREETING)
        stranger++;
    while (all[first] != GREETING)
        first++;
    if (stranger == size)
        return;
    error err = {0};
    describe_stranger(stranger, &err);
    if (first == transport_rank()) /* one of us says so, and ends all */
        transport_abort(&err);
    for (;;)
        pause();
}

bool transport_agree(error *err)
{
    char failed = err->kind != ERROR_NONE;
    exchange(&failed, 1);
    const char *lowest = memchr(records.all, 1, (size_t)transport_size());
    if (!lowest)
        return true;
    MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, (int)(lowest - records.all), job_ranks);
    return false;
}

/* ---- broadcast, gather ----------------------------------------------------------------------- */

void transport_broadcast(void *data, size_t n_bytes, int root, enum transport_wait how)
{
    if (how == TRANSPORT_SLEEP && n_bytes <= SHORT_BYTES) {
        wait_broadcast(data, n_bytes, root);
        return;
    }
    if (how == TRANSPORT_SLEEP)
        transport_barrier();
    double since_s = clock_now();
    for (size_t done = 0, piece; done < n_bytes; done += piece) {
        piece = job_piece(n_bytes - done);
        MPI_Bcast((char *)data + done, (int)piece, MPI_BYTE, root, job_ranks);
    }
    wait_spun(since_s);
}

char *transport_broadcast_text(char *text)
{
    uint64_t n_bytes = transport_is_server() ? strlen(text) + 1 : 0;
    transport_broadcast(&n_bytes, sizeof n_bytes, 0, TRANSPORT_SLEEP);
    if (!transport_is_server())
        text = job_take(1, n_bytes);
    transport_broadcast(text, n_bytes, 0, TRANSPORT_SLEEP);
    return text;
}

void transport_gather_working(const void *mine, size_t n_bytes, void *all, transport_work *work,
                              void *arg)
{
    assert(n_bytes <= SHORT_BYTES);
    MPI_Request request;
    MPI_Igather(mine ? mine : MPI_IN_PLACE, (int)n_bytes, MPI_BYTE, all, (int)n_bytes, MPI_BYTE, 0,
                job_ranks, &request);
    int done = 0;
    bool busy = transport_is_server() && work;
    while (busy && !done) {
        MPI_Test(&request, &done, MPI_STATUS_IGNORE);
        busy = !done && work(arg);
    }
    if (!done)
        wait_request(&request);
}

void transport_gather(const void *mine, size_t n_bytes, void *all, enum transport_wait how)
{
    assert(n_bytes <= (size_t)1 << 30); /* floats of the largest model there may be */
    if (how == TRANSPORT_SLEEP && n_bytes <= SHORT_BYTES) {
        transport_gather_working(mine, n_bytes, all, NULL, NULL);
        return;
    }
    if (how == TRANSPORT_SLEEP)
        transport_barrier();
    double since_s = clock_now();
    MPI_Gather(mine ? mine : MPI_IN_PLACE, (int)n_bytes, MPI_BYTE, all, (int)n_bytes, MPI_BYTE, 0,
               job_ranks);
    wait_spun(since_s);
}
