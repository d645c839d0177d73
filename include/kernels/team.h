/*
 * team.h - the threads of a rank: one parallel region, work shared by index (OpenMP inside)
 *
 * A step of training is one parallel region.  Within it every thread calls the same operations in the
 * same order; an operation has a number of independent items, each thread takes its share
 * (team_share), and a barrier stands between an operation and the next that reads its result.
 * What an item computes does not depend on who computes it: results are the same bits for any number of
 * threads.
 */
#ifndef BRAMBLE_KERNELS_TEAM_H
#define BRAMBLE_KERNELS_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct team {
    int thread, n_threads;
    struct team_meeting *meeting; /* where its barriers are kept; NULL for a single thread */
} team;

typedef void team_work(const team *self, void *arg);

/* team_run - n_threads >= 1 threads call work(&team, arg) and meet at its end.  Not to be nested. */
void team_run(int n_threads, team_work *work, void *arg);

/*
 * team_barrier - all threads of the region have got here
 * Spins for some ten microseconds, then lets others have the core: a thread that shares its core with a
 * late one would otherwise keep it from coming.
 */
void team_barrier(const team *self);

/* team_share - this thread's items begin .. end - 1 of n_items: contiguous, equal but for one */
void team_share(const team *self, size_t n_items, size_t *begin, size_t *end);

/* team_limit - the most threads OpenMP will start: OMP_THREAD_LIMIT */
int team_limit(void);

/* team_come - start n_threads; how many have come? */
int team_come(int n_threads);

/* team_cores - processors this process may run on (its affinity mask) */
int team_cores(void);

/* team_cpu_list - the affinity mask as text, "0-3,8" */
void team_cpu_list(char *text, size_t n_bytes);

/* team_cpu_mask - the affinity mask, a bit for each processor */
enum { TEAM_MAX_CORES = 1024 };
void team_cpu_mask(uint64_t mask[TEAM_MAX_CORES / 64]);

/*
 * team_unbind - does OpenMP bind threads to cores by itself (OMP_PROC_BIND, OMP_PLACES, ...)?  Then let this
 * thread run on all cores of all its places, as before OpenMP began
 */
bool team_unbind(void);

/* Where the threads of a team sit: see team_seat. */
typedef struct team_seats {
    int n_threads; /* that came; OpenMP may start fewer than asked for */
    int n_cores;   /* different cores they computed on at one moment, at best */
    uint64_t mask[TEAM_MAX_CORES / 64]; /* cores that any of them may run on, a bit each */
} team_seats;

/*
 * team_seat - let n_threads threads compute for about t_s seconds, and look several times on which core each
 * of them is.  Never fewer cores than they really have, for a moment of bad luck does not count.
 */
void team_seat(int n_threads, double t_s, team_seats *seats);

#endif
