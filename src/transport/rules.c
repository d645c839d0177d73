#include "rules.h"

#include "base/world.h"
#include "transport/fixed.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 2048 }; /* numbers added up at a time: they stay in the first-level cache */

/* A dozen operations on doubles, of which a vector holds half as many as of floats. */
#define OPERATIONS_A_NUMBER 24.0

static void take_time(size_t n)
{
    world_work(OPERATIONS_A_NUMBER * (double)n, 1);
}

void rule_add_rows(float *mine, const float *rows, size_t n, const double *shares)
{
    int64_t sum[BLOCK];
    size_t n_rows = 0;
    for (int r = 0; r < transport_size(); r++)
        n_rows += shares[r] > 0;
    take_time((n_rows + 1) * n);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t count = n - first < BLOCK ? n - first : BLOCK;
        memset(sum, 0, sizeof sum);
        for (int r = 0; r < transport_size(); r++) {
            const float *row = r == transport_rank() ? mine : rows + (size_t)r * n;
            if (shares[r] > 0) /* what has no share may be anything, NaN too */
                fixed_add_floats(sum, row + first, count, shares[r]);
        }
        fixed_to_floats(mine + first, sum, count);
    }
}

void rule_weigh(int64_t *q, const float *w, size_t n, double share)
{
    if (share > 0)
        fixed_from_floats(q, w, n, share);
    else
        memset(q, 0, n * sizeof *q); /* not 0 * w, which may be anything */
    take_time(share > 0 ? n : 0);
}

void rule_unweigh(float *w, const int64_t *q, size_t n)
{
    fixed_to_floats(w, q, n);
    take_time(n);
}

/* Up to five workers each had a message of its own.  From 32 ranks on Open MPI 4.1 takes a tree in which each rank sends to
 * three in every level: simulated clusters of 8 to 512 take as long (docs/plan.md). */
double rule_broadcast(int workers)
{
    double tree = 1.5 * log2((double)workers + 1.0);
    return fmin(workers, fmax(8.0, tree));
}

double rule_depth(int workers)
{
    return ceil(log2((double)workers + 1.0));
}
