/*
 * threads.h - how many OpenMP threads a rank computes with, and where they are too many
 */
#ifndef BRAMBLE_HOST_THREADS_H
#define BRAMBLE_HOST_THREADS_H

#include "base/error.h"

#include <stdint.h>

/* What there is to say about the threads of all ranks, a line each; "" for nothing. */
typedef struct threads_advice {
    char left_out[256]; /* a rank has started anew without variables that bind OpenMP's threads */
    char crowded[384];  /* threads that outnumber their cores, or what a CPU quota is worth */
} threads_advice;

/*
 * threads_choose - how many threads this rank uses; that many run, and are recorded
 *   asked   in   --threads; 0: the cores it is bound to, but no more than its CPU quota is worth (rounded, at
 *                least one).  Cores and quota are shared with the other workers of the host that may use
 *                them; a server that shares cores with workers uses one, at priority 10 (nice), and elsewhere
 *                at most as many as asked for
 *   advice  out  may be NULL; the same on every rank
 * Returns false with err, the same on every rank: more than OMP_THREAD_LIMIT (user), or than can be started
 * (environment).  Collective.
 */
bool threads_choose(uint64_t asked, int *n_threads, threads_advice *advice, error *err);

/* threads_alone - the same for a process that is no rank.  Not collective. */
bool threads_alone(uint64_t asked, int *n_threads, error *err);

/*
 * threads_start - do so many start?  Not collective.
 *   option  in  what asked for them, in messages
 * Returns false with err as threads_choose.
 */
bool threads_start(int n_threads, const char *option, error *err);

#endif
