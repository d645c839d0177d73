#include "host/threads.h"

#include "base/memory.h"
#include "base/world.h"
#include "host/sensors.h"
#include "host/unbind.h"
#include "kernels/team.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* Where a rank runs, and what it is to have there. */
typedef struct place {
    char host[64], cpus[64], left_out[80];
    uint64_t mask[TEAM_MAX_CORES / 64];
    double quota; /* cores; NaN without one */
    uint32_t group, is_worker;
    int32_t limit; /* OpenMP's */
    uint64_t asked;
    int32_t dealt;   /* cores, of which no other worker has been dealt the same */
    int32_t threads; /* a worker's */
} place;

/* All cores of a host that nobody else has. */
static void describe_simulated(place *mine)
{
    const int n = world_here()->cores();
    memset(mine->mask, 0, sizeof mine->mask);
    for (int core = 0; core < n && core < TEAM_MAX_CORES; core++)
        mine->mask[core / 64] |= UINT64_C(1) << core % 64;
    snprintf(mine->cpus, sizeof mine->cpus, "0-%d", n - 1);
    mine->quota = NAN;
}

static void describe(uint64_t asked, place *mine)
{
    snprintf(mine->host, sizeof mine->host, "%s", transport_host());
    snprintf(mine->left_out, sizeof mine->left_out, "%s", unbind_left_out());
    team_cpu_list(mine->cpus, sizeof mine->cpus);
    team_cpu_mask(mine->mask);
    mine->quota = sensors_cpu_quota(&mine->group);
    mine->is_worker = transport_is_worker();
    mine->limit = team_limit();
    mine->asked = asked;
    if (world_here()->cores)
        describe_simulated(mine);
}

static bool has_core(const place *p, size_t core)
{
    return p->mask[core / 64] >> core % 64 & 1;
}

static int count_cores(const uint64_t *mask)
{
    int n = 0;
    for (size_t k = 0; k < TEAM_MAX_CORES / 64; k++)
        n += __builtin_popcountll(mask[k]);
    return n;
}

static bool overlap(const place *a, const place *b)
{
    bool any = false;
    for (size_t k = 0; k < TEAM_MAX_CORES / 64; k++)
        any = any || (a->mask[k] & b->mask[k]) != 0;
    return any;
}

/* ---- a host: its workers' places ----------------------------------------------------------------- */

typedef struct host {
    place **workers;
    int n;
} host;

static host workers_of(const char *name, place *all, place **room)
{
    host self = {.workers = room};
    for (place *p = all; p < all + transport_size(); p++)
        if (p->is_worker && strcmp(p->host, name) == 0)
            self.workers[self.n++] = p;
    return self;
}

/* The core goes to the one with the fewest so far, of those that may use it. */
static void deal_core(host *self, size_t core)
{
    place *least = NULL;
    for (int k = 0; k < self->n; k++)
        if (has_core(self->workers[k], core) && (!least || self->workers[k]->dealt < least->dealt))
            least = self->workers[k];
    if (least)
        least->dealt++;
}

/* Cores that few may use come first: so that who has no other gets those that all may use. */
static void deal_cores(host *self)
{
    int n_users[TEAM_MAX_CORES] = {0}, most = 0;
    for (size_t core = 0; core < TEAM_MAX_CORES; core++) {
        for (int k = 0; k < self->n; k++)
            n_users[core] += has_core(self->workers[k], core);
        most = n_users[core] > most ? n_users[core] : most;
    }
    for (int n = 1; n <= most; n++)
        for (size_t core = 0; core < TEAM_MAX_CORES; core++)
            if (n_users[core] == n)
                deal_core(self, core);
}

/* A quota is one for all of its group. */
static int quota_share(const host *self, const place *p)
{
    int n = 0, number = 0, cores = (int)fmin(round(p->quota), TEAM_MAX_CORES);
    if (isnan(p->quota))
        return TEAM_MAX_CORES;
    for (int k = 0; k < self->n; k++)
        if (!isnan(self->workers[k]->quota) && self->workers[k]->group == p->group) {
            number += self->workers[k] < p;
            n++;
        }
    return n > 0 ? cores / n + (number < cores % n) : cores;
}

static int least_of(int a, int b, int c)
{
    int least = a < b ? a : b;
    least = c < least ? c : least;
    return least < 1 ? 1 : least;
}

static void deal_threads(host *self)
{
    deal_cores(self);
    for (int k = 0; k < self->n; k++) {
        place *p = self->workers[k];
        p->threads =
            p->asked > 0 ? (int)p->asked : least_of(p->dealt, quota_share(self, p), p->limit);
    }
}

/* What it evaluates can wait, a worker's team cannot: one late thread delays all of them. */
static int server_threads(const host *here, const place *p)
{
    for (int k = 0; k < here->n; k++)
        if (overlap(p, here->workers[k])) {
            (void)setpriority(PRIO_PROCESS, 0, 10);
            return 1;
        }
    int n = least_of(count_cores(p->mask), quota_share(here, p), p->limit);
    return p->asked > 0 && p->asked < (uint64_t)n ? (int)p->asked : n;
}

/* ---- too many ------------------------------------------------------------------------------------- */

/* Threads of those under one quota, and what they can use at most. */
static int group_threads(const host *self, const place *p)
{
    int n = 0;
    for (int k = 0; k < self->n; k++)
        if (self->workers[k] == p || (!isnan(p->quota) && !isnan(self->workers[k]->quota) &&
                                      self->workers[k]->group == p->group))
            n += self->workers[k]->threads;
    return n;
}

static bool crowds_quota(const host *self, const place *p, int rank, char *text, size_t n_bytes)
{
    int n = group_threads(self, p);
    if (!(n > ceil(p->quota)))
        return false;
    snprintf(text, n_bytes,
             "rank %d on %.63s: %d threads%s, and a CPU quota of %.2f cores: fewer "
             "--threads",
             rank, p->host, n, n > p->threads ? " together with other ranks" : "", p->quota);
    return true;
}

static bool crowds_cores(const place *p, int rank, char *text, size_t n_bytes)
{
    int cores = count_cores(p->mask);
    if (cores == 0 || p->threads <= cores) /* 0: the system does not tell */
        return false;
    snprintf(text, n_bytes,
             "rank %d on %.63s: %d threads on %d core%s (%.63s): fewer --threads, or "
             "more cores (mpirun --bind-to none)",
             rank, p->host, p->threads, cores, cores == 1 ? "" : "s", p->cpus);
    return true;
}

/* All workers of a host against all cores that any of them may use. */
static bool crowds_host(const host *self, char *text, size_t n_bytes)
{
    uint64_t mask[TEAM_MAX_CORES / 64] = {0};
    double demand = 0.0;
    int n_threads = 0;
    for (int k = 0; k < self->n; k++) {
        const place *p = self->workers[k];
        double share = isnan(p->quota) ? INFINITY : p->quota / group_threads(self, p) * p->threads;
        demand += fmin(p->threads, share);
        n_threads += p->threads;
        for (size_t i = 0; i < TEAM_MAX_CORES / 64; i++)
            mask[i] |= p->mask[i];
    }
    int cores = count_cores(mask);
    if (cores == 0 || demand < cores + 0.01)
        return false;
    snprintf(text, n_bytes,
             "%d workers on %.63s have %d threads together, and %d core%s: they take "
             "turns, and the times are no cluster's",
             self->n, self->workers[0]->host, n_threads, cores, cores == 1 ? "" : "s");
    return true;
}

static bool is_first_on_host(const place *all, int rank)
{
    for (int k = 0; k < rank; k++)
        if (strcmp(all[k].host, all[rank].host) == 0)
            return false;
    return true;
}

static void advise(place *all, place **room, threads_advice *advice)
{
    char *text = advice->crowded;
    bool crowded = false;
    *advice = (threads_advice){0};
    for (int k = 0; k < transport_size(); k++) {
        place *p = &all[k];
        if (p->left_out[0] && !advice->left_out[0])
            snprintf(
                advice->left_out, sizeof advice->left_out,
                "rank %d on %.63s: %.79s is set and left out: OpenMP would bind threads to cores "
                "of its own choice",
                k, p->host, p->left_out);
        host here = workers_of(p->host, all, room);
        if (!crowded && p->is_worker)
            crowded = crowds_cores(p, k, text, sizeof advice->crowded) ||
                      crowds_quota(&here, p, k, text, sizeof advice->crowded);
    }
    for (int k = 0; !crowded && k < transport_size(); k++) {
        host here = workers_of(all[k].host, all, room);
        crowded = is_first_on_host(all, k) && here.n > 1 &&
                  crowds_host(&here, text, sizeof advice->crowded);
    }
}

/* ---- that many run -------------------------------------------------------------------------------- */

/* More threads than cores take turns, which is not simulated. */
static bool check_simulated(uint64_t asked, error *err)
{
    const int n = world_here()->cores ? world_here()->cores() : TEAM_MAX_CORES;
    return !world_simulator() || asked <= (uint64_t)n ||
           error_user(err, "--threads %llu: a simulated host has %d core%s, and no more threads",
                      (unsigned long long)asked, n, n == 1 ? "" : "s");
}

bool threads_choose(uint64_t asked, int *n_threads, threads_advice *advice, error *err)
{
    size_t size = (size_t)transport_size();
    place mine = {0}, *all = memory_new(size, sizeof *all, err),
          **room = memory_new(size, sizeof *room, err);
    if (err->kind == ERROR_NONE)
        check_simulated(asked, err);
    bool good = transport_agree(err);
    if (good) {
        describe(asked, &mine);
        transport_allgather(&mine, sizeof mine, all);
        for (int k = 0; k < (int)size; k++) {
            host here = workers_of(all[k].host, all, room);
            if (is_first_on_host(all, k))
                deal_threads(&here);
        }
        const place *own = &all[transport_rank()];
        host here = workers_of(own->host, all, room);
        *n_threads = own->is_worker ? own->threads : server_threads(&here, own);
        if (advice)
            advise(all, room, advice);
        if (!threads_start(*n_threads, "--threads", err))
            error_prefix(err, "rank %d on %s", transport_rank(), transport_host());
        good = transport_agree(err);
    }
    memory_free(all);
    memory_free(room);
    return good;
}

bool threads_alone(uint64_t asked, int *n_threads, error *err)
{
    place mine = {0};
    host here = {0};
    describe(asked, &mine);
    *n_threads = asked > 0
                     ? (int)asked
                     : least_of(count_cores(mine.mask), quota_share(&here, &mine), mine.limit);
    return threads_start(*n_threads, "--threads", err);
}
