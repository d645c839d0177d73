#include "kernels/team.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>

void team_run(int n_threads, team_work *work, void *arg)
{
    if (n_threads == 1) {
        work(&(team){0, 1}, arg);
        return;
    }
#pragma omp parallel num_threads(n_threads)
    work(&(team){omp_get_thread_num(), omp_get_num_threads()}, arg);
}

void team_barrier(const team *self)
{
    if (self->n_threads > 1) {
#pragma omp barrier
    }
}

void team_share(const team *self, size_t n_items, size_t *begin, size_t *end)
{
    size_t n = (size_t)self->n_threads, k = (size_t)self->thread;
    size_t each = n_items / n, rest = n_items % n;
    *begin = k * each + (k < rest ? k : rest);
    *end = *begin + each + (k < rest);
}

int team_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
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
        int n = last > first ? snprintf(text + used, n_bytes - used, "%s%zu-%zu", comma, first, last)
                             : snprintf(text + used, n_bytes - used, "%s%zu", comma, first);
        used += n > 0 ? (size_t)n : 0;
        first = last;
    }
}
