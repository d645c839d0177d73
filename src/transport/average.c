#include "transport/average.h"

#include "base/memory.h"
#include "transport/fixed.h"
#include "transport/transport.h"
#include "wire.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { PIECE = 1 << 26 }; /* floats averaged in one go: counts of MPI are ints */

/* One line for each; the first is the default. */
#define AVERAGE_RULES(RULE)                                                                        \
    RULE(average_gather)                                                                           \
    RULE(average_reduce)                                                                           \
    RULE(average_allreduce)                                                                        \
    RULE(average_slices)                                                                           \
    RULE(average_tree)

#define DECLARE(rule) extern const average_rule rule;
#define LIST(rule) &rule,

AVERAGE_RULES(DECLARE)

const average_rule *const average_rules[] = {AVERAGE_RULES(LIST) NULL};

const average_rule *average_rule_find(const char *name)
{
    for (size_t i = 0; average_rules[i]; i++)
        if (strcmp(average_rules[i]->name, name) == 0)
            return average_rules[i];
    return NULL;
}

average_cost average_rule_cost(const average_rule *rule, size_t n, int workers, int group)
{
    if (workers == 1)
        return (average_cost){1.0, (double)sizeof(float) * (double)n, 0.0};
    return rule->cost(n, workers, group);
}

static size_t piece_floats(size_t n)
{
    return n < PIECE ? n : PIECE;
}

/* The last piece, a shorter one, may need more of some rank. */
static size_t scratch_bytes(const average_rule *rule, size_t n)
{
    if (!rule->scratch_bytes)
        return 0;
    int rank = transport_rank(), size = transport_size();
    size_t most = rule->scratch_bytes(piece_floats(n), rank, size),
           last = rule->scratch_bytes(n % PIECE, rank, size);
    return most > last ? most : last;
}

bool average_init(average *self, const average_rule *rule, size_t n, error *err)
{
    int rank = transport_rank(), size = transport_size();
    size_t scratch = scratch_bytes(rule, n);
    *self = (average){.rule = rule, .n = n};
    self->shares = memory_new((size_t)size, sizeof *self->shares, err);
    self->scratch = scratch > 0 ? memory_new(scratch, 1, err) : NULL;
    self->residual = rule->has_residual ? memory_new(n, sizeof *self->residual, err) : NULL;
    self->state = rule->init ? rule->init(n, rank, size, err) : NULL;
    return err->kind == ERROR_NONE;
}

void average_release(average *self)
{
    if (self->state)
        self->rule->release(self->state);
    memory_free(self->shares);
    memory_free(self->scratch);
    memory_free(self->residual);
    memory_free(self->sum);
    *self = (average){0};
}

static void average_one(average *self, float *w, const float *before, int64_t *sum, size_t first)
{
    average_piece piece = {
        .w = w + first,
        .before = before ? before + first : NULL,
        .residual = self->residual ? self->residual + first : NULL,
        .first = first,
        .n = piece_floats(self->n - first),
        .shares = self->shares,
        .scratch = self->scratch,
        .state = self->state,
        .sum = sum ? sum + first : NULL,
    };
    self->rule->average(&piece);
}

double transport_average(average *self, float *w, const float *before, const double *weights)
{
    int size = transport_size(), n_positive = 0;
    int last = 0; /* when nobody has: the server, which has not trained */
    double total = 0;
    assert(before || !self->rule->uses_before);
    for (int r = 0; r < size; r++) {
        assert(weights[r] >= 0 && isfinite(weights[r]));
        total += weights[r];
        if (weights[r] > 0) {
            n_positive++;
            last = r;
        }
    }
    (void)wire_take_time();
    if (n_positive <= 1) {
        transport_broadcast(w, self->n * sizeof *w, last, TRANSPORT_SPIN);
        return wire_take_time();
    }
    for (int r = 0; r < size; r++)
        self->shares[r] = weights[r] / total;
    for (size_t first = 0; first < self->n; first += PIECE)
        average_one(self, w, before, NULL, first);
    return wire_take_time();
}

/* ---- several vectors of a rank ------------------------------------------------------------------- */

bool average_several(average *self, error *err)
{
    assert(self->rule->sums);
    self->sum = memory_new(self->n, sizeof *self->sum, err);
    return self->sum != NULL;
}

void average_add(average *self, const float *x, double share)
{
    fixed_add_floats(self->sum, x, self->n, share);
}

double transport_average_added(average *self, float *w)
{
    (void)wire_take_time();
    for (size_t first = 0; first < self->n; first += PIECE)
        average_one(self, w, NULL, self->sum, first);
    memset(self->sum, 0, self->n * sizeof *self->sum);
    return wire_take_time();
}
