/*
 * mpi_wait.h - waiting, asleep or spinning; for the files that know <mpi.h>
 */
#ifndef BRAMBLE_TRANSPORT_MPI_WAIT_H
#define BRAMBLE_TRANSPORT_MPI_WAIT_H

#include <mpi.h>
#include <stddef.h>

/* wait_request - asleep, until the request is done: enum transport_wait */
void wait_request(MPI_Request *request);

/* wait_broadcast - asleep, until all of root's has come, or has left it */
void wait_broadcast(void *data, size_t n_bytes, int root);

/* wait_message - asleep, until a message of this tag can be received from source */
void wait_message(int source, int tag);

/* wait_spun - a call of MPI that spins has begun at since_s (clock_now) and is over: wire_take_time */
void wait_spun(double since_s);

#endif
