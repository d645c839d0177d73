#include "base/memory.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "transport/transport.h"

#ifdef OPEN_MPI
#include <mpi-ext.h>
#endif

#if defined OMPI_HAVE_MPI_EXT_FTMPI && OMPI_HAVE_MPI_EXT_FTMPI

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    jmp_buf back;                          /* while body is running */
    char (*hosts)[MPI_MAX_PROCESSOR_NAME]; /* of all that were started, by their ranks then */
} guard;

bool transport_guards(void)
{
    const char *asked = getenv("OMPI_MCA_mpi_ft_enable");
    return asked && (strcmp(asked, "1") == 0 || strcmp(asked, "true") == 0);
}

/* So that whoever waits for me there comes here too. */
static void leave(MPI_Comm ranks)
{
    if (ranks != MPI_COMM_NULL)
        MPIX_Comm_revoke(ranks);
}

/* Called by MPI's error handler: a jump out of it is what the authors of ULFM do in their examples. */
static void guard_fail(int code)
{
    int class;
    MPI_Error_class(code, &class);
    if (class != MPIX_ERR_PROC_FAILED && class != MPIX_ERR_PROC_FAILED_PENDING &&
        class != MPIX_ERR_REVOKED)
        return;
    job_on_failure(NULL);
    leave(job_ranks);
    leave(job_group);
    leave(job_leaders);
    longjmp(guard.back, 1);
}

/* Everyone's host: the dead cannot be asked. */
static void learn_hosts(void)
{
    error err = {0};
    char mine[MPI_MAX_PROCESSOR_NAME] = "";
    if (guard.hosts)
        return;
    snprintf(mine, sizeof mine, "%s", transport_host());
    guard.hosts = memory_new((size_t)transport_size(), sizeof *guard.hosts, &err);
    if (!transport_agree(&err))
        transport_abort(&err);
    transport_allgather(mine, sizeof mine, guard.hosts);
}

static void add_name(char **names, size_t *n, int rank)
{
    char name[MPI_MAX_PROCESSOR_NAME + 64];
    int length =
        snprintf(name, sizeof name, "%srank %d on %s", *n ? ", " : "", rank, guard.hosts[rank]);
    char *longer = realloc(*names, *n + (size_t)length + 1);
    if (!longer)
        return;
    memcpy(longer + *n, name, (size_t)length + 1);
    *names = longer;
    *n += (size_t)length;
}

/* Names of the ranks of job_ranks that are not in left, as they were started; is rank 0 one of them? */
static char *name_lost(MPI_Comm left, bool *server)
{
    char *names = NULL;
    size_t n = 0;
    MPI_Group started, before, after;
    MPI_Comm_group(MPI_COMM_WORLD, &started);
    MPI_Comm_group(job_ranks, &before);
    MPI_Comm_group(left, &after);
    *server = false;
    for (int rank = 0, now, first; rank < transport_size(); rank++) {
        MPI_Group_translate_ranks(before, 1, &rank, after, &now);
        if (now != MPI_UNDEFINED)
            continue;
        MPI_Group_translate_ranks(before, 1, &rank, started, &first);
        *server = *server || rank == 0;
        add_name(&names, &n, first);
    }
    MPI_Group_free(&started);
    MPI_Group_free(&before);
    MPI_Group_free(&after);
    return names;
}

static void end_without_server(const char *names, MPI_Comm left)
{
    int rank;
    error err = {0};
    MPI_Comm_rank(left, &rank);
    if (rank > 0) { /* one of us says so, and ends all */
        struct timespec pause = {.tv_sec = 1};
        (void)nanosleep(&pause, NULL);
        _exit(ERROR_ENVIRONMENT);
    }
    error_environment(&err, "%s has died, and without the server nothing goes on",
                      names ? names : "rank 0");
    transport_abort(&err);
}

/* All that are left: did body come to its end everywhere?  If not we become a job of our own. */
static bool survive(int done, char **lost)
{
    MPI_Comm left;
    MPI_Comm_set_errhandler(job_ranks, MPI_ERRORS_RETURN);
    int code = MPIX_Comm_agree(job_ranks, &done);
    if (done && code == MPI_SUCCESS) {
        job_become(job_ranks);
        return true;
    }
    if (MPIX_Comm_shrink(job_ranks, &left) != MPI_SUCCESS) {
        error err = {0};
        error_environment(&err, "rank %d on %s: the ranks that are left cannot find each other",
                          transport_rank(), transport_host());
        transport_abort(&err);
    }
    bool server_lost;
    *lost = name_lost(left, &server_lost);
    if (server_lost)
        end_without_server(*lost, left);
    job_become(left);
    transport_on_wait(NULL, NULL);
    parts_start();
    return done;
}

bool transport_guard(transport_body *body, void *arg, char **lost)
{
    *lost = NULL;
    if (!transport_guards()) {
        body(arg);
        return true;
    }
    volatile int done = 0;
    learn_hosts();
    if (setjmp(guard.back) == 0) {
        job_on_failure(guard_fail);
        if (job_is_less()) /* nobody goes on alone: another rank may have died in the meantime */
            transport_barrier();
        body(arg);
        job_on_failure(NULL);
        done = 1;
    }
    return survive(done, lost);
}

#else

bool transport_guards(void)
{
    return false;
}

bool transport_guard(transport_body *body, void *arg, char **lost)
{
    *lost = NULL;
    body(arg);
    return true;
}

#endif
