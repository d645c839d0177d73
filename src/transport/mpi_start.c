#include "base/world.h"
#include "mpi_job.h"
#include "mpi_parts.h"
#include "transport/transport.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

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

    int provided;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
    job_open();
    if (provided < MPI_THREAD_FUNNELED && !world_simulator()) { /* whose ranks are one thread */
        error_environment(&err,
                          "rank %d on %s: this MPI allows no threads: use one built with them",
                          transport_rank(), transport_host());
        transport_abort(&err);
    }
    parts_start();
}

/* Open MPI 5 may wait for the dead for ever in MPI_Finalize.  Who leaves without it looks like one more that has died to
 * those that are a moment behind, in a barrier that all have reached: they leave, too. */
static void leave_without_dead(void)
{
    MPI_Comm_set_errhandler(job_ranks, MPI_ERRORS_RETURN);
    MPI_Barrier(job_ranks);
    parts_stop();
}

void transport_stop(void)
{
    int rank;
    int64_t word;
    transport_on_wait(NULL, NULL);
    transport_barrier();
    while (transport_receive_word(&rank, &word)) /* too late */
        ;
    if (job_is_less()) {
        leave_without_dead();
        return;
    }
    transport_barrier(); /* MPI_Finalize waits for the last rank too, but spins */
    parts_stop();
    job_close();
    MPI_Finalize();
}
