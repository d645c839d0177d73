/*
 * wire.h - collective operations that only averaging rules need, besides those of transport.h
 *
 * Everybody is there when an average begins, so these go at full speed (TRANSPORT_SPIN).  All are collective; n
 * fits an int; a failure of MPI ends the job.
 */
#ifndef BRAMBLE_TRANSPORT_WIRE_H
#define BRAMBLE_TRANSPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* wire_reduce - add up q over all ranks; the sum is the server's, elsewhere q is unchanged */
void wire_reduce(int64_t *q, size_t n);

/* wire_allreduce - replace q on every rank by the sum over all ranks */
void wire_allreduce(int64_t *q, size_t n);

/*
 * Within the groups of transport_group, whose first workers lead them, and the server itself:
 * wire_leads - is this rank one of those?  Not collective.
 * wire_group_reduce - add up q over a group; the sum is the leader's, elsewhere q is unchanged
 * wire_leaders_allreduce - replace q on each leader by the sum over all leaders; theirs alone
 * wire_group_broadcast - the leader's w to its group
 */
bool wire_leads(void);
void wire_group_reduce(int64_t *q, size_t n);
void wire_leaders_allreduce(int64_t *q, size_t n);
void wire_group_broadcast(float *w, size_t n);

/* wire_take_time - seconds spent in these, and in broadcasts, gathers, sends and receives that spin, since the last
 * call.  Not collective. */
double wire_take_time(void);

/* wire_slice - n floats cut into one slice a rank: how many this rank has, from *first on */
size_t wire_slice(size_t n, int rank, int size, size_t *first);

/*
 * wire_scatter - the first half of a reduce-scatter, before anything is added up: from every rank that has
 * a share each other rank's slice of w
 *   rows  out  [size][length of my slice]; my own row and those of ranks without a share are left
 *              alone
 */
void wire_scatter(const float *w, size_t n, const double *shares, float *rows);

/* wire_allgather - all-gather: every rank's own slice of w to all others */
void wire_allgather(float *w, size_t n);

#endif
