#include "kernels/team.h"

#include "base/clock.h"
#include "kernels/simd.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

/* A barrier for each generation: the last to arrive opens the next. */
struct team_meeting {
    int arrived __attribute__((aligned(64)));         /* written by all */
    unsigned generation __attribute__((aligned(64))); /* read by all while they wait */
};

enum { SPINS = 500 };

void team_run(int n_threads, team_work *work, void *arg)
{
    if (n_threads == 1) {
        work(&(team){0, 1, NULL}, arg);
        return;
    }
    struct team_meeting meeting = {0};
    int dynamic = omp_get_dynamic(), levels = omp_get_max_active_levels(); /* the caller's own */
    omp_set_dynamic(0); /* whatever OMP_DYNAMIC says: as many as asked for */
    omp_set_max_active_levels(omp_get_active_level() + 1); /* within a team of the caller, too */
#pragma omp parallel num_threads(n_threads)
    work(&(team){omp_get_thread_num(), omp_get_num_threads(), &meeting}, arg);
    omp_set_dynamic(dynamic);
    omp_set_max_active_levels(levels);
}

void team_barrier(const team *self)
{
    struct team_meeting *m = self->meeting;
    if (self->n_threads == 1)
        return;
    unsigned generation = __atomic_load_n(&m->generation, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&m->arrived, 1, __ATOMIC_ACQ_REL) == self->n_threads) {
        __atomic_store_n(&m->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&m->generation, generation + 1, __ATOMIC_RELEASE);
        return;
    }
    for (unsigned k = 0; __atomic_load_n(&m->generation, __ATOMIC_ACQUIRE) == generation; k++) {
        if (k < SPINS)
            simd_pause();
        else
            sched_yield();
    }
}

void team_share(const team *self, size_t n_items, size_t *begin, size_t *end)
{
    size_t n = (size_t)self->n_threads, k = (size_t)self->thread;
    size_t each = n_items / n, rest = n_items % n;
    *begin = k * each + (k < rest ? k : rest);
    *end = *begin + each + (k < rest);
}

int team_limit(void)
{
    return omp_get_thread_limit();
}

static void count_in(const team *self, void *n)
{
    if (self->thread == 0)
        *(int *)n = self->n_threads;
}

int team_come(int n_threads)
{
    int n = 0;
    team_run(n_threads, count_in, &n);
    return n;
}

int team_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

void team_cpu_mask(uint64_t mask[TEAM_MAX_CORES / 64])
{
    cpu_set_t set;
    CPU_ZERO(&set);
    memset(mask, 0, TEAM_MAX_CORES / 8);
    (void)sched_getaffinity(0, sizeof set, &set);
    for (size_t k = 0; k < TEAM_MAX_CORES && k < CPU_SETSIZE; k++)
        if (CPU_ISSET(k, &set))
            mask[k / 64] |= UINT64_C(1) << k % 64;
}

bool team_unbind(void)
{
    cpu_set_t all;
    int cores[CPU_SETSIZE];
    if (omp_get_proc_bind() == omp_proc_bind_false)
        return false;
    CPU_ZERO(&all);
    for (int place = 0; place < omp_get_num_places(); place++) {
        int n = omp_get_place_num_procs(place);
        if (n > CPU_SETSIZE)
            continue;
        omp_get_place_proc_ids(place, cores);
        for (int k = 0; k < n; k++)
            if (cores[k] >= 0 && cores[k] < CPU_SETSIZE)
                CPU_SET((size_t)cores[k], &all);
    }
    if (CPU_COUNT(&all) > 0)
        (void)sched_setaffinity(0, sizeof all, &all);
    return true;
}

void team_cpu_list(char *text, size_t n_bytes)
{
    cpu_set_t set;
    size_t used = 0;
    text[0] = '\0';
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    for (size_t first = 0; first < CPU_SETSIZE && used < n_bytes; first++) {
        if (!CPU_ISSET(first, &set))
            continue;
        size_t last = first;
        while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set))
            last++;
        const char *comma = used ? "," : "";
        int n = last > first
                    ? snprintf(text + used, n_bytes - used, "%s%zu-%zu", comma, first, last)
                    : snprintf(text + used, n_bytes - used, "%s%zu", comma, first);
        used += n > 0 ? (size_t)n : 0;
        first = last;
    }
}

/* ---- seats -------------------------------------------------------------------------------------- */

enum { LOOKS = 8 };

struct seating {
    team_seats *seats;
    double t_s;
    uint64_t taken[TEAM_MAX_CORES / 64];
};

static void take_seat(const team *us, void *arg)
{
    struct seating *self = arg;
    team_seats *seats = self->seats;
    uint64_t mask[TEAM_MAX_CORES / 64];
    team_cpu_mask(mask);
    for (size_t k = 0; k < TEAM_MAX_CORES / 64; k++)
        __atomic_fetch_or(&seats->mask[k], mask[k], __ATOMIC_RELAXED);
    for (int look = 0; look < LOOKS; look++) {
        team_barrier(us);
        if (us->thread == 0)
            memset(self->taken, 0, sizeof self->taken);
        double start = clock_now();
        while (clock_now() - start < self->t_s / LOOKS)
            simd_pause();
        team_barrier(us);
        size_t core = (size_t)sched_getcpu() % TEAM_MAX_CORES;
        __atomic_fetch_or(&self->taken[core / 64], UINT64_C(1) << core % 64, __ATOMIC_RELAXED);
        team_barrier(us);
        int n = 0;
        for (size_t k = 0; us->thread == 0 && k < TEAM_MAX_CORES / 64; k++)
            n += __builtin_popcountll(self->taken[k]);
        if (us->thread == 0 && n > seats->n_cores)
            seats->n_cores = n;
    }
    if (us->thread == 0)
        seats->n_threads = us->n_threads;
}

void team_seat(int n_threads, double t_s, team_seats *seats)
{
    struct seating self = {.seats = seats, .t_s = t_s};
    memset(seats, 0, sizeof *seats);
    team_run(n_threads, take_seat, &self);
}
