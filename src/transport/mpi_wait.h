/*
 * mpi_wait.h - waiting, asleep or spinning; for the files that know <mpi.h>
 */
#ifndef BRAMBLE_TRANSPORT_MPI_WAIT_H
#define BRAMBLE_TRANSPORT_MPI_WAIT_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* wait_request - asleep, until the request is done: enum transport_wait */
void wait_request(MPI_Request *request);

/* wait_broadcast - asleep, until all of root's has come, or has left it */
void wait_broadcast(void *data, size_t n_bytes, int root);

/* wait_message - asleep, until a message of this tag can be received from source */
void wait_message(int source, int tag);

/* wait_spun - a call of MPI that spins has begun at since_s (clock_now) and is over: wire_take_time */
void wait_spun(double since_s);

/*
 * Spinning, and collective over `ranks`; n fits an int:
 * wait_sum - add up q; the sum is that of the first of them, which says so (`first`), elsewhere q is unchanged
 * wait_sum_all - replace q on each of them by the sum
 */
void wait_sum(MPI_Comm ranks, bool first, int64_t *q, size_t n);
void wait_sum_all(MPI_Comm ranks, int64_t *q, size_t n);

#endif
