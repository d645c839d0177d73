/*
 * mpi_job.h - the ranks of the job, and who this one is; the lowest of the files that know <mpi.h>
 *
 * Upwards from here: mpi_wait (until something is there), mpi_collective and mpi_message (what ranks say to
 * each other), mpi_stop, mpi_groups and mpi_wire, mpi_guard (ranks that die), mpi_start.
 */
#ifndef BRAMBLE_TRANSPORT_MPI_JOB_H
#define BRAMBLE_TRANSPORT_MPI_JOB_H

#include "base/error.h"

#include <mpi.h>

#include <stdbool.h>
#include <stddef.h>

/* All that were started, or those that are left of them. */
extern MPI_Comm job_ranks;

/* This rank's group, and those that lead one (transport_group), or MPI_COMM_NULL. */
extern MPI_Comm job_group, job_leaders;

enum { TAG_SIZE = 1, TAG_DATA, TAG_STOP, TAG_WORD };

/* job_open, job_close - once MPI runs; before it ends */
void job_open(void);
void job_close(void);

/* job_become - these are the ranks of the job from now on.  Not collective. */
void job_become(MPI_Comm ranks);

/* job_is_less - have ranks died? */
bool job_is_less(void);

/*
 * job_on_failure - have a function called with the code of an error of MPI, before the job ends by it; NULL: none
 * Returns the one before.  It may leave by longjmp.
 */
typedef void job_failure(int code);
job_failure *job_on_failure(job_failure *call);

/* job_piece - how many of the bytes left go in the next call of MPI, whose counts are ints */
size_t job_piece(size_t left);

/* job_take - zeroed memory that this rank cannot do without; memory_free it */
void *job_take(size_t count, size_t size);

#endif
