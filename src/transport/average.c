#include "average.h"
#include "wire.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { PIECE = 1 << 26 }; /* floats averaged in one go: counts of MPI are ints */

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
    (void)wire_take_time();
    for (size_t done = 0, piece; done < n; done += piece) {
        piece = piece_floats(n - done);
        if (n_positive <= 1)
            transport_broadcast(w + done, piece * sizeof *w, last, TRANSPORT_SPIN);
        else
            rule->average(w + done, piece, shares, (char *)scratch + shares_bytes(size));
    }
    return wire_take_time();
}
