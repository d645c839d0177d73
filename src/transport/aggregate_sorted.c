#include "transport/aggregate.h"

#include <string.h>

/* Weights of all rows, side by side: without branches they are compared as vectors. */
typedef float column_block[AGGREGATE_BLOCK];

static void exchange(float *restrict low, float *restrict high)
{
    for (int i = 0; i < AGGREGATE_BLOCK; i++) {
        const float a = low[i], b = high[i];
        low[i] = a < b ? a : b;
        high[i] = a < b ? b : a;
    }
}

/* Odd-even transposition: each column ascends. */
static void sort(column_block *rows, int n_rows)
{
    for (int pass = 0; pass < n_rows; pass++)
        for (int r = pass % 2; r + 1 < n_rows; r += 2)
            exchange(rows[r], rows[r + 1]);
}

/* The mean of sorted rows begin .. end - 1; of equal numbers, that number. */
static void mean_of(column_block *rows, int begin, int end, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (int r = begin; r < end; r++)
            sum += (double)rows[r][i];
        out[i] = (float)(sum / (end - begin));
    }
}

/* Of each weight the mean of what is left when n_cut are taken off at both ends. */
static void cut_ends(const aggregate_rows *of, int n_cut, float *out)
{
    column_block *rows = (column_block *)of->work;
    for (size_t first = 0; first < of->n; first += AGGREGATE_BLOCK) {
        size_t n = of->n - first < AGGREGATE_BLOCK ? of->n - first : AGGREGATE_BLOCK;
        for (int r = 0; r < of->n_rows; r++)
            memcpy(rows[r], of->rows[r] + first, n * sizeof *out);
        sort(rows, of->n_rows);
        mean_of(rows, n_cut, of->n_rows - n_cut, out + first, n);
    }
}

static void median(const aggregate_rows *of, float *out)
{
    cut_ends(of, (of->n_rows - 1) / 2, out);
}

static void trimmed(const aggregate_rows *of, float *out)
{
    cut_ends(of, of->n_bad, out);
}

/*
 * Of each weight by itself the workers' median; of an even number, the mean of the middle two.
 * Source: Yin et al., "Byzantine-robust distributed learning", arXiv:1803.01498.
 */
const aggregate_rule aggregate_median = {.name = "median", .least = 1, .combine = median};

/* Of each weight the mean without the F largest and the F smallest.  Source: as above. */
const aggregate_rule aggregate_trimmed = {
    .name = "trimmed", .counts = true, .least = 1, .more = 2, .combine = trimmed};
