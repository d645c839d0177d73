#include "mpi_wait.h"
#include "transport/transport.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

MPI_Comm job_ranks;

static struct {
    MPI_Errhandler handler;
    int rank, size;
    int n_local, number;
    char host[MPI_MAX_PROCESSOR_NAME];
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
} job = {.size = 1, .n_local = 1};

/* Codes returned by MPI are not looked at anywhere in this folder: every error ends up here. */
static void job_fail(MPI_Comm *comm, int *code, ...)
{
    (void)comm;
    guard_fail(*code);
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    MPI_Error_string(*code, text, &length);
    error err = {0};
    if (meet_greets())
        meet_stranger(-1, &err);
    else
        error_environment(&err, "rank %d on %s: MPI failed: %s", job.rank, job.host, text);
    transport_abort(&err);
}

void job_describe(void)
{
    MPI_Comm_set_errhandler(job_ranks, job.handler);
    MPI_Comm_rank(job_ranks, &job.rank);
    MPI_Comm_size(job_ranks, &job.size);
}

void job_locate(void)
{
    MPI_Comm local;
    MPI_Comm_split_type(job_ranks, MPI_COMM_TYPE_SHARED, job.rank, MPI_INFO_NULL, &local);
    MPI_Comm_size(local, &job.n_local);
    MPI_Comm_rank(local, &job.number);
    MPI_Comm_free(&local);
}

/* What the launcher says of it. */
static bool job_has_one_host(void)
{
    const char *ranks = getenv("OMPI_COMM_WORLD_SIZE"),
               *here = getenv("OMPI_COMM_WORLD_LOCAL_SIZE"),
               *nodes = getenv("SLURM_STEP_NUM_NODES");
    return ranks && here ? strcmp(ranks, here) == 0 : nodes && strcmp(nodes, "1") == 0;
}

void transport_start(int *argc, char ***argv)
{
    error err = {0};
    /* Ranks that share a core must hand it over while they poll.  The way to one's
     * own host leads over lo: Open MPI 5, when it asks the kernel for it, takes the host for out of reach. */
    if (setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0) != 0 ||
        (job_has_one_host() && setenv("OMPI_MCA_reachable", "weighted", 0) != 0)) {
        error_environment(&err, "out of memory: no room for an environment variable");
        transport_abort(&err);
    }
    /* Sleeps are 50 us longer otherwise, and stay so where the kernel refuses. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);

    int provided, length;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    MPI_Get_processor_name(job.host, &length);
    MPI_Comm_create_errhandler(job_fail, &job.handler);
    job_ranks = MPI_COMM_WORLD;
    job_describe();
    job_locate();
    if (provided < MPI_THREAD_FUNNELED) {
        error_environment(&err,
                          "rank %d on %s: this MPI allows no threads: use one built with them",
                          job.rank, job.host);
        transport_abort(&err);
    }
    meet_start();
    move_start();
}

void transport_stop(void)
{
    int rank;
    int64_t word;
    transport_on_wait(NULL, NULL);
    wait_all();
    while (transport_heard(&rank, &word)) /* too late */
        ;
    wait_all(); /* MPI_Finalize waits for the last rank too, but spins */
    meet_stop();
    move_stop();
    if (guard_lost()) /* Open MPI 5 may wait for the dead for ever in there */
        return;
    MPI_Errhandler_free(&job.handler);
    MPI_Finalize();
}

void transport_abort(const error *err)
{
    error_print(err);
    int started = 0, stopped = 0;
    MPI_Initialized(&started);
    MPI_Finalized(&stopped);
    if (started && !stopped)
        MPI_Abort(MPI_COMM_WORLD, (int)err->kind);
    _exit((int)err->kind);
}

int transport_rank(void)
{
    return job.rank;
}

int transport_size(void)
{
    return job.size;
}

bool transport_is_server(void)
{
    return job.rank == 0;
}

bool transport_is_worker(void)
{
    return job.rank > 0 || job.size == 1;
}

int transport_workers(void)
{
    return job.size > 1 ? job.size - 1 : 1;
}

int transport_worker(void)
{
    return job.size > 1 ? job.rank - 1 : 0;
}

const char *transport_host(void)
{
    if (!job.host[0] && gethostname(job.host, sizeof job.host - 1) != 0)
        strcpy(job.host, "localhost");
    return job.host;
}

void transport_local(int *n_ranks, int *number)
{
    *n_ranks = job.n_local;
    *number = job.number;
}

const char *transport_version(void)
{
    int length;
    if (!job.version[0]) {
        MPI_Get_library_version(job.version, &length);
        job.version[strcspn(job.version, "\n")] = '\0';
    }
    return job.version;
}
