#include "transport/aggregate.h"
#include "transport/fixed.h"

#include <math.h>
#include <string.h>

static double distance(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum;
}

/* All squared distances, [n_rows][n_rows]. */
static void measure(const aggregate_rows *of, double *distances)
{
    const int n = of->n_rows;
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            distances[i * n + j] = distances[j * n + i] =
                i == j ? 0.0 : distance(of->rows[i], of->rows[j], of->n_judged);
}

/* The first of the smallest. */
static int smallest(const double *values, int n)
{
    int least = 0;
    for (int i = 1; i < n; i++)
        least = values[i] < values[least] ? i : least;
    return least;
}

/* The sum of the distances to the n - F - 2 nearest others; the row is used up. */
static double score(double *row, int self, int n, int n_bad)
{
    double sum = 0.0;
    row[self] = INFINITY;
    for (int k = 0; k < n - n_bad - 2; k++) {
        const int nearest = smallest(row, n);
        sum += row[nearest];
        row[nearest] = INFINITY;
    }
    return sum;
}

/* A score for each row, the lower the more others it is near to. */
static double *scores(const aggregate_rows *of)
{
    const int n = of->n_rows;
    double *distances = of->work, *all = of->work + (size_t)n * (size_t)n;
    measure(of, distances);
    for (int i = 0; i < n; i++)
        all[i] = score(distances + i * n, i, n, of->n_bad);
    return all;
}

static void krum(const aggregate_rows *of, float *out)
{
    memcpy(out, of->rows[smallest(scores(of), of->n_rows)], of->n * sizeof *out);
}

/* The mean, by images, of the rows that are marked with 1. */
static void mean_of(const aggregate_rows *of, const double *marked, float *out)
{
    int64_t sum[AGGREGATE_BLOCK];
    double total = 0.0;
    for (int r = 0; r < of->n_rows; r++)
        total += marked[r] * of->shares[r];
    for (size_t first = 0; first < of->n; first += AGGREGATE_BLOCK) {
        size_t n = of->n - first < AGGREGATE_BLOCK ? of->n - first : AGGREGATE_BLOCK;
        memset(sum, 0, sizeof sum);
        for (int r = 0; r < of->n_rows; r++)
            if (marked[r] > 0.0)
                fixed_add_floats(sum, of->rows[r] + first, n, of->shares[r] / total);
        fixed_to_floats(out + first, sum, n);
    }
}

static void multikrum(const aggregate_rows *of, float *out)
{
    double *all = scores(of), *marked = all + of->n_rows;
    memset(marked, 0, (size_t)of->n_rows * sizeof *marked);
    for (int k = 0; k < of->n_rows - of->n_bad; k++) {
        const int best = smallest(all, of->n_rows);
        marked[best] = 1.0;
        all[best] = INFINITY;
    }
    mean_of(of, marked, out);
}

/*
 * The worker whose trained weights are nearest to those of its n - F - 2 nearest others; of equals the first.
 * Source: Blanchard et al., "Machine learning with adversaries", NeurIPS 2017.
 */
const aggregate_rule aggregate_krum = {
    .name = "krum", .counts = true, .least = 3, .more = 2, .combine = krum};

/* The mean, by images, of the n - F workers whom krum would choose first.  Source: as above. */
const aggregate_rule aggregate_multikrum = {
    .name = "multikrum", .counts = true, .least = 3, .more = 2, .combine = multikrum};
