#include "base/memory.h"
#include "host/threads.h"
#include "kernels/team.h"

#include <pthread.h>
#include <string.h>

static void *pass_gate(void *gate)
{
    pthread_rwlock_rdlock(gate);
    pthread_rwlock_unlock(gate);
    return NULL;
}

/* OpenMP ends the process when it cannot start a thread. */
static bool try_threads(int n_threads, const char *option, error *err)
{
    pthread_t *threads = memory_new((size_t)n_threads, sizeof *threads, err);
    if (!threads)
        return false;
    pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
    pthread_rwlock_wrlock(&gate); /* all of them at once */
    int n = 1, status = 0;        /* this one is the first */
    while (n < n_threads && (status = pthread_create(&threads[n], NULL, pass_gate, &gate)) == 0)
        n++;
    pthread_rwlock_unlock(&gate);
    for (int k = 1; k < n; k++)
        pthread_join(threads[k], NULL);
    memory_free(threads);
    if (status != 0)
        return error_environment(
            err, "no more than %d of %d threads can be started: %s; choose fewer %s", n, n_threads,
            strerror(status), option);
    n = team_come(n_threads);
    return n == n_threads ||
           error_environment(err, "OpenMP starts %d of %d threads; unset what begins with OMP_", n,
                             n_threads);
}

bool threads_start(int n_threads, const char *option, error *err)
{
    int limit = team_limit();
    if (n_threads > limit)
        return error_user(err, "%s %d: OMP_THREAD_LIMIT allows %d; unset it, or choose no more",
                          option, n_threads, limit);
    return try_threads(n_threads, option, err);
}
