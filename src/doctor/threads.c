#include "parts.h"

#include <math.h>
#include <string.h>

#define say doctor_say

static int cores_of(const doctor_node *a, const doctor_node *b)
{
    int n = 0;
    for (size_t k = 0; k < sizeof a->mask / sizeof *a->mask; k++)
        n += __builtin_popcountll(a->mask[k] | b->mask[k]);
    return n;
}

/* Two workers of a host need as many cores as they have threads. */
static bool judge_pairs(doctor *self, const doctor_node *a)
{
    bool good = true;
    for (const doctor_node *b = a + 1; b < self->nodes + transport_size(); b++) {
        int cores = cores_of(a, b), threads = a->threads + b->threads;
        if (strcmp(a->host, b->host) != 0 || threads <= cores)
            continue;
        say(self, DOCTOR_PROBLEM, a->host,
            "ranks %d and %d share cores: %d threads on %d (bound to %s, "
            "%s)\nfewer --threads, or one rank on each host: mpirun --map-by ppr:1:node:pe=T",
            a->rank, b->rank, threads, cores, a->binding, b->binding);
        good = false;
    }
    return good;
}

/* And so do all of them together. */
static void judge_sharing(doctor *self, const doctor_node *n)
{
    doctor_node all = {0};
    int n_workers = 0;
    if (!judge_pairs(self, n))
        return;
    for (const doctor_node *b = self->nodes; b < self->nodes + transport_size(); b++) {
        if (!b->is_worker || strcmp(b->host, n->host) != 0)
            continue;
        if (n_workers == 0 && b != n)
            return; /* said with the first */
        all.threads += b->threads;
        n_workers++;
        for (size_t k = 0; k < sizeof all.mask / sizeof *all.mask; k++)
            all.mask[k] |= b->mask[k];
    }
    if (n_workers > 2 && all.threads > cores_of(&all, &all))
        say(self, DOCTOR_PROBLEM, n->host,
            "%d workers share cores: %d threads on %d\nfewer ranks, fewer --threads, or one rank on "
            "each host: mpirun --map-by ppr:1:node:pe=T",
            n_workers, all.threads, cores_of(&all, &all));
}

/* Variables that OpenMP reads: a job script may have set them for another program. */
static void judge_openmp(doctor *self, const doctor_node *n)
{
    if (n->left_out[0])
        say(self, DOCTOR_NOTE, n->host,
            "rank %d: %s would bind threads to cores of OpenMP's choice: bramble leaves it out\n"
            "nothing to do: mpirun and srun bind ranks, --threads counts",
            n->rank, n->left_out);
    if (n->limit < n->cores)
        say(self, DOCTOR_WARNING, n->host,
            "rank %d: OMP_THREAD_LIMIT=%d, for %d cores\nunset OMP_THREAD_LIMIT; if it is meant: "
            "--threads %d",
            n->rank, n->limit, n->cores, n->limit);
}

void doctor_judge_binding(doctor *self, doctor_node *n)
{
    int cores = cores_of(n, n), threads = n->threads;
    judge_openmp(self, n);
    if (!n->is_worker)
        return;
    if (threads > cores)
        say(self, DOCTOR_PROBLEM, n->host,
            "rank %d: %d threads on %d core%s (bound to %s)\nmpirun --map-by "
            "ppr:1:node:pe=%d, or --bind-to none; or --threads %d",
            n->rank, threads, cores, cores == 1 ? "" : "s", n->binding, threads, cores);
    else if (n->threads_apart < threads && !(n->quota_cores < threads))
        say(self, DOCTOR_WARNING, n->host,
            "rank %d: %d threads were seen on %d core%s only, of %d allowed\n"
            "top, there, shows who else computes",
            n->rank, threads, n->threads_apart, n->threads_apart == 1 ? "" : "s", cores);
    else if (self->options.threads == 0 && cores == 1 && n->host_cores > 1)
        say(self, DOCTOR_WARNING, n->host,
            "rank %d: bound to 1 of %d cores, as Open MPI does with one or "
            "two ranks\nmpirun --map-by ppr:1:node:pe=%d, or --bind-to none; if one is meant: "
            "--threads 1",
            n->rank, n->host_cores, n->host_cores);
    judge_sharing(self, n);
}

void doctor_judge_quota(doctor *self, doctor_node *n)
{
    bool many = n->is_worker && n->threads > ceil(n->quota_cores);
    if (n->quota_cores > 0.0)
        say(self, many ? DOCTOR_WARNING : DOCTOR_NOTE, n->host,
            "rank %d: a control group allows it %.2f cores' time (%d threads)%s", n->rank,
            n->quota_cores, n->threads, many ? "\nfewer --threads: they stop one another" : "");
    if (n->cpu_fraction < doctor_limit.cpu_share &&
        !(n->cpu_fraction * n->threads > 0.8 * n->quota_cores))
        say(self, DOCTOR_WARNING, n->host,
            "rank %d: its threads got %.0f %% of the time they asked for: "
            "others compute too\ntop, there, shows who: end it, or fewer --threads",
            n->rank, 100.0 * n->cpu_fraction);
}
