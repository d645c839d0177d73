#include "base/memory.h"
#include "mpi_wait.h"
#include "transport/transport.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- sleeping -------------------------------------------------------------------------------- */

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

static void wait_nap(double since_s)
{
    double waited_s = clock_now() - since_s;
    if (on_wait.call)
        on_wait.call(on_wait.arg);
    if (waited_s < 20e-6) {
        sched_yield();
        return;
    }
    struct timespec nap = {.tv_nsec = (long)(nap_length(waited_s) * 1e9)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL); /* a signal only makes it shorter */
}

void wait_request(MPI_Request *request)
{
    double since_s = clock_now();
    int done;
    for (MPI_Test(request, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(request, &done, MPI_STATUS_IGNORE))
        wait_nap(since_s);
}

void wait_message(int source, int tag)
{
    double since_s = clock_now();
    int there;
    for (MPI_Iprobe(source, tag, job_ranks, &there, MPI_STATUS_IGNORE); !there;
         MPI_Iprobe(source, tag, job_ranks, &there, MPI_STATUS_IGNORE))
        wait_nap(since_s);
}

void wait_exchange(const void *mine, size_t n_bytes, void *all)
{
    MPI_Request request;
    MPI_Iallgather(mine, (int)n_bytes, MPI_BYTE, all, (int)n_bytes, MPI_BYTE, job_ranks, &request);
    wait_request(&request);
}

/* ---- agree, meet, stop ----------------------------------------------------------------------- */

enum { MEET_MAX_BYTES = 4096 };

/*
 * A stop belongs to a round, and rounds are counted by clears.  The server may be a round ahead of
 * a worker that has met and not yet cleared, so its message carries the round, and one that comes
 * too late is dropped.  The next meet repeats it: then all know, and the clear waits for it.
 */
static struct {
    uint64_t round;     /* from 1 */
    uint64_t called;    /* latest round in which stop was called, as far as this rank has heard */
    bool told;          /* a meet said that it was called in this round */
    MPI_Request *sends; /* the server's, one per rank */
    int64_t word;       /* a worker's, on its way by: */
    MPI_Request telling;
    char *mine, *all; /* records of a meet: HEAD_BYTES, then the caller's */
} meet;

enum { HEAD_BYTES = 1 };

void meet_start(void)
{
    error err = {0};
    size_t size = (size_t)transport_size(), record = HEAD_BYTES + MEET_MAX_BYTES;
    memset(&meet, 0, sizeof meet);
    meet.mine = memory_new(1, record, &err);
    meet.all = memory_new(size, record, &err);
    meet.sends = memory_new(size, sizeof *meet.sends, &err);
    if (err.kind != ERROR_NONE) {
        error_prefix(&err, "rank %d on %s", transport_rank(), transport_host());
        transport_abort(&err);
    }
    meet.round = 1;
    meet.telling = MPI_REQUEST_NULL;
    for (size_t r = 0; r < size; r++)
        meet.sends[r] = MPI_REQUEST_NULL;
}

void meet_stop(void)
{
    if (meet.telling != MPI_REQUEST_NULL)
        MPI_Request_free(&meet.telling);
    memory_free(meet.mine);
    memory_free(meet.all);
    memory_free(meet.sends);
}

void wait_all(void)
{
    wait_exchange(meet.mine, 1, meet.all);
}

enum { GREETING = 0xB2 }; /* a build that does not greet begins with transport_agree's 0 or 1 */
static bool greets;

bool meet_greets(void)
{
    return greets;
}

void meet_stranger(int rank, error *err)
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

void transport_greet(void)
{
    unsigned char word = GREETING;
    greets = true;
    wait_exchange(&word, 1, meet.all);
    greets = false;
    const unsigned char *all = (const unsigned char *)meet.all;
    int size = transport_size(), stranger = 0, first = 0;
    while (stranger < size && all[stranger] == GREETING)
        stranger++;
    while (all[first] != GREETING)
        first++;
    if (stranger == size)
        return;
    error err = {0};
    meet_stranger(stranger, &err);
    if (first == transport_rank()) /* one of us says so, and ends all */
        transport_abort(&err);
    for (;;)
        pause();
}

bool transport_agree(error *err)
{
    char failed = err->kind != ERROR_NONE;
    wait_exchange(&failed, 1, meet.all);
    const char *lowest = memchr(meet.all, 1, (size_t)transport_size());
    if (!lowest)
        return true;
    MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, (int)(lowest - meet.all), job_ranks);
    return false;
}

void transport_meet(const void *mine, size_t n_bytes, void *all)
{
    assert(n_bytes <= MEET_MAX_BYTES);
    size_t record = HEAD_BYTES + n_bytes;
    meet.mine[0] = transport_is_server() && meet.called == meet.round;
    if (n_bytes > 0)
        memcpy(meet.mine + HEAD_BYTES, mine, n_bytes);
    wait_exchange(meet.mine, record, meet.all);
    for (size_t r = 0; n_bytes > 0 && r < (size_t)transport_size(); r++)
        memcpy((char *)all + r * n_bytes, meet.all + r * record + HEAD_BYTES, n_bytes);
    if (meet.all[0]) /* the server's */
        meet.told = true;
}

void transport_progress(void)
{
    int there;
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, job_ranks, &there, MPI_STATUS_IGNORE);
}

bool transport_tell(int64_t word)
{
    int done = 1;
    if (transport_is_server())
        return true;
    MPI_Test(&meet.telling, &done, MPI_STATUS_IGNORE);
    if (!done)
        return false;
    meet.word = word;
    MPI_Isend(&meet.word, 1, MPI_INT64_T, 0, TAG_WORD, job_ranks, &meet.telling);
    return true;
}

bool transport_heard(int *rank, int64_t *word)
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

void transport_call_stop(void)
{
    assert(transport_is_server() && meet.called < meet.round);
    meet.called = meet.round;
    for (int r = 1; r < transport_size(); r++)
        MPI_Isend(&meet.called, 1, MPI_UINT64_T, r, TAG_STOP, job_ranks, &meet.sends[r]);
}

static void stop_receive(void)
{
    MPI_Recv(&meet.called, 1, MPI_UINT64_T, 0, TAG_STOP, job_ranks, MPI_STATUS_IGNORE);
}

bool transport_stop_called(void)
{
    int there = !transport_is_server() && !meet.told;
    while (there && meet.called < meet.round) {
        MPI_Iprobe(0, TAG_STOP, job_ranks, &there, MPI_STATUS_IGNORE);
        if (there)
            stop_receive();
    }
    return meet.told || meet.called == meet.round;
}

void transport_clear_stop(void)
{
    if (transport_is_server()) {
        MPI_Waitall(transport_size(), meet.sends, MPI_STATUSES_IGNORE);
    } else if (meet.told && meet.called < meet.round) {
        wait_message(0, TAG_STOP);
        stop_receive();
    }
    meet.told = false;
    meet.round++;
}
