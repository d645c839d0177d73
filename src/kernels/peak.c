#include "kernels/peak.h"

#include "base/clock.h"
#include "kernels/simd.h"
#include "kernels/team.h"

enum { CHAINS = 12, TURNS = 20000 };

struct measurement {
    double t_s, rate[1024];
};

static void work(const team *us, void *arg)
{
    struct measurement *m = arg;
    vec sum[CHAINS];
    for (int k = 0; k < CHAINS; k++)
        sum[k] = vec_set(0.01F * (float)k);
    vec a = vec_set(0.999F), b = vec_set(0.001F);
    __asm__ volatile("" : "+m"(a), "+m"(b)); /* not to be computed by the compiler */
    team_barrier(us);
    double start = clock_now(), now = start, turns = 0.0;
    while (now - start < m->t_s) {
        for (int n = 0; n < TURNS; n++)
            SIMD_FOR (int k = 0; k < CHAINS; k++)
                sum[k] = sum[k] * a + b;
        turns += TURNS;
        now = clock_now();
    }
    __asm__ volatile("" : : "m"(sum));
    if (us->thread < 1024)
        m->rate[us->thread] = turns * CHAINS * VEC_WIDTH * 2.0 / (now - start);
}

double peak_flops(int n_threads, double t_s)
{
    struct measurement m = {.t_s = t_s};
    team_run(n_threads, work, &m);
    double sum = 0.0;
    for (int k = 0; k < n_threads && k < 1024; k++)
        sum += m.rate[k];
    return sum;
}
