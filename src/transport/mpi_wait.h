/*
 * mpi_wait.h - waiting without spinning; shared by the files that know <mpi.h>
 */
#ifndef BRAMBLE_TRANSPORT_MPI_WAIT_H
#define BRAMBLE_TRANSPORT_MPI_WAIT_H

#include "base/error.h"

#include <mpi.h>

#include <stdbool.h>
#include <stddef.h>

/* The ranks of the job: all that were started, or those that are left of them. */
extern MPI_Comm job_ranks;

enum { TAG_SIZE = 1, TAG_DATA, TAG_STOP, TAG_WORD, TAG_PASS };

/* wait_request - until the request is done; looks in ever longer intervals, see transport_meet */
void wait_request(MPI_Request *request);

/* wait_message - until a message of this tag can be received from source */
void wait_message(int source, int tag);

/* wait_exchange - n bytes from everyone to everyone, in rank order.  Collective. */
void wait_exchange(const void *mine, size_t n_bytes, void *all);

/* wait_all - until all ranks are here.  Collective. */
void wait_all(void);

/*
 * job_describe - after job_ranks has changed: who is this rank, whom do errors go to.  Not collective
 * job_locate - then: where is it, among the ranks of its host.  Collective.
 */
void job_describe(void);
void job_locate(void);

/* meet_stranger - rank -1, not known which, did not greet: describe that */
void meet_stranger(int rank, error *err);

/* meet_greets - is this rank in transport_greet?  Then an error of MPI is another's longer message. */
bool meet_greets(void);

/* guard_lost - have ranks died? */
bool guard_lost(void);

/* guard_fail - a call of MPI has failed with this code: does not return where transport_guard sees to it */
void guard_fail(int code);

/* ..._start, ..._stop - take and release the buffers of mpi_meet.c and mpi_move.c */
void meet_start(void);
void meet_stop(void);
void move_start(void);
void move_stop(void);

#endif
