#include "mpi_job.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <string.h>
#include <unistd.h>

MPI_Comm job_ranks, job_group = MPI_COMM_NULL, job_leaders = MPI_COMM_NULL;

static struct {
    MPI_Errhandler handler;
    job_failure *on_failure;
    int rank, size;
    char host[MPI_MAX_PROCESSOR_NAME];
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
} job = {.size = 1};

/* Codes returned by MPI are not looked at anywhere in this folder: every error ends up here. */
static void job_fail(MPI_Comm *comm, int *code, ...)
{
    (void)comm;
    if (job.on_failure)
        job.on_failure(*code);
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    MPI_Error_string(*code, text, &length);
    error err = {0};
    error_environment(&err, "rank %d on %s: MPI failed: %s", job.rank, job.host, text);
    transport_abort(&err);
}

job_failure *job_on_failure(job_failure *call)
{
    job_failure *before = job.on_failure;
    job.on_failure = call;
    return before;
}

void job_become(MPI_Comm ranks)
{
    job_ranks = ranks;
    MPI_Comm_set_errhandler(job_ranks, job.handler);
    MPI_Comm_rank(job_ranks, &job.rank);
    MPI_Comm_size(job_ranks, &job.size);
}

bool job_is_less(void)
{
    return job_ranks != MPI_COMM_WORLD;
}

void job_open(void)
{
    int length;
    MPI_Get_processor_name(job.host, &length);
    MPI_Comm_create_errhandler(job_fail, &job.handler);
    job_become(MPI_COMM_WORLD);
}

void job_close(void)
{
    MPI_Errhandler_free(&job.handler);
}

size_t job_piece(size_t left)
{
    const size_t most = (size_t)1 << 29;
    return left < most ? left : most;
}

void *job_take(size_t count, size_t size)
{
    error err = {0};
    void *memory = memory_new(count, size, &err);
    if (!memory) {
        error_prefix(&err, "rank %d on %s", job.rank, job.host);
        transport_abort(&err);
    }
    return memory;
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

const char *transport_version(void)
{
    int length;
    if (!job.version[0]) {
        MPI_Get_library_version(job.version, &length);
        job.version[strcspn(job.version, "\n")] = '\0';
    }
    return job.version;
}
