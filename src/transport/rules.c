#include "rules.h"

#include "transport/fixed.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 2048 }; /* numbers added up at a time: they stay in the first-level cache */

void rule_add_rows(float *mine, const float *rows, size_t n, const double *shares)
{
    int64_t sum[BLOCK];
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
}

double rule_depth(int workers)
{
    return ceil(log2((double)workers + 1.0));
}
