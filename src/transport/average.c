#include "average.h"
#include "transport/fixed.h"
#include "wire.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    PIECE = 1 << 26, /* floats averaged in one go: counts of MPI are ints */
    BLOCK = 2048     /* numbers added up at a time: they stay in the first-level cache */
};

const average_rule *const average_rules[] = {
    /* clang-format off */
    &average_gather,
    &average_reduce,
    &average_allreduce,
    &average_slices,
    NULL,
    /* clang-format on */
};

const average_rule *average_rule_find(const char *name)
{
    for (size_t i = 0; average_rules[i]; i++)
        if (strcmp(average_rules[i]->name, name) == 0)
            return average_rules[i];
    return NULL;
}

/* The shares come first in the scratch memory, then, on a line of its own, the rule's. */
static size_t shares_bytes(int size)
{
    return ((size_t)size * sizeof(double) + 63) / 64 * 64;
}

static size_t piece_floats(size_t n)
{
    return n < PIECE ? n : PIECE;
}

size_t average_scratch_bytes(size_t n, int size)
{
    size_t rows = (size_t)size * sizeof(float);
    return shares_bytes(size) + piece_floats(n) * (rows > sizeof(int64_t) ? rows : sizeof(int64_t));
}

double transport_average(const average_rule *rule, float *w, size_t n, const double *weights,
                         void *scratch)
{
    int size = transport_size(), n_positive = 0;
    int last = 0; /* when nobody has: the server, which has not trained */
    double total = 0, *shares = scratch;
    for (int r = 0; r < size; r++) {
        assert(weights[r] >= 0 && isfinite(weights[r]));
        total += weights[r];
        if (weights[r] > 0) {
            n_positive++;
            last = r;
        }
    }
    for (int r = 0; r < size && n_positive > 1; r++)
        shares[r] = weights[r] / total;
    for (size_t done = 0, piece; done < n; done += piece) {
        piece = piece_floats(n - done);
        if (n_positive <= 1)
            wire_broadcast(w + done, piece, last);
        else
            rule->average(w + done, piece, shares, (char *)scratch + shares_bytes(size));
    }
    return wire_take_time();
}

void average_rows(float *mine, const float *rows, size_t n, const double *shares)
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

size_t wire_slice(size_t n, int rank, int size, size_t *first)
{
    const size_t line = 16; /* floats in a cache line: no two ranks write to the same */
    size_t most = (n / line + (size_t)size) / (size_t)size * line;
    *first = (size_t)rank * most < n ? (size_t)rank * most : n;
    return n - *first < most ? n - *first : most;
}
