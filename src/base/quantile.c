#include "base/quantile.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t quantile_sort(double *values, size_t n)
{
    size_t n_finite = 0;
    for (size_t k = 0; k < n; k++)
        if (isfinite(values[k]))
            values[n_finite++] = values[k];
    qsort(values, n_finite, sizeof *values, compare);
    return n_finite;
}

double quantile(const double *sorted, size_t n, double share)
{
    if (n == 0)
        return NAN;
    const double place = share * (double)(n - 1), below = floor(place);
    const size_t i = (size_t)below;
    const double next = sorted[i + 1 < n ? i + 1 : i];
    return sorted[i] + (place - below) * (next - sorted[i]);
}
