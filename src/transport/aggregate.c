#include "transport/aggregate.h"

#include "base/memory.h"
#include "transport/transport.h"
#include "wire.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line for each; the first is the default. */
#define AGGREGATE_RULES(RULE)                                                                      \
    RULE(aggregate_mean)                                                                           \
    RULE(aggregate_median)                                                                         \
    RULE(aggregate_trimmed)                                                                        \
    RULE(aggregate_krum)                                                                           \
    RULE(aggregate_multikrum)

#define DECLARE(rule) extern const aggregate_rule rule;
#define LIST(rule) &rule,

AGGREGATE_RULES(DECLARE)

const aggregate_rule *const aggregate_rules[] = {AGGREGATE_RULES(LIST) NULL};

const aggregate_rule aggregate_mean = {.name = "mean", .least = 1};

enum { MOST_BAD = 10000, MOST_WEIGHTS = 1 << 28 }; /* a row is gathered in one go */

static bool parse_bad(const aggregate_rule *rule, const char *text, int *n_bad, error *err)
{
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : 0;
    if (!rule->counts)
        return !text || error_user(err, "%s takes no number", rule->name);
    *n_bad = (int)n;
    return (text && end > text && *end == '\0' && n >= 1 && n <= MOST_BAD) ||
           error_user(err, "expected %s:F, F workers of whom anything may come, from 1 to %d",
                      rule->name, MOST_BAD);
}

bool aggregate_parse(const char *text, aggregate_choice *choice, error *err)
{
    char known[120] = "";
    const size_t length = strcspn(text, ":");
    const char *number = text[length] ? text + length + 1 : NULL;
    *choice = (aggregate_choice){NULL, 0};
    for (const aggregate_rule *const *at = aggregate_rules; *at; at++) {
        size_t used = strlen(known);
        if (strlen((*at)->name) == length && strncmp((*at)->name, text, length) == 0)
            choice->rule = *at;
        snprintf(known + used, sizeof known - used, "%s%s%s", used > 0 ? ", " : "", (*at)->name,
                 (*at)->counts ? ":F" : "");
    }
    if (!choice->rule)
        return error_user(err, "expected one of %s", known);
    return parse_bad(choice->rule, number, &choice->n_bad, err);
}

int aggregate_least(const aggregate_choice *choice)
{
    return choice->rule->least + choice->rule->more * choice->n_bad;
}

bool aggregate_init(aggregate *self, const aggregate_choice *choice, size_t n, size_t n_rows,
                    error *err)
{
    *self = (aggregate){.choice = *choice, .n = n, .n_rows = n_rows};
    if (!choice->rule->combine || !transport_is_server())
        return true;
    if (n > MOST_WEIGHTS)
        return error_user(err,
                          "--aggregate %s: the model has %zu weights; at most %d can be collected",
                          choice->rule->name, n, MOST_WEIGHTS);
    self->rows = memory_new(n_rows + 1, n * sizeof *self->rows, err);
    self->with_share = memory_new(n_rows, sizeof *self->with_share, err);
    self->shares = memory_new(n_rows, sizeof *self->shares, err);
    self->work = memory_new(n_rows * (n_rows + AGGREGATE_BLOCK), sizeof *self->work, err);
    return err->kind == ERROR_NONE;
}

void aggregate_release(aggregate *self)
{
    memory_free(self->rows);
    memory_free(self->with_share);
    memory_free(self->shares);
    memory_free(self->work);
    *self = (aggregate){0};
}

/* On the server, when all rows are there, or all but the first, which is own then. */
static void combine(aggregate *self, float *w, const double *weights, size_t n_judged,
                    const float *own)
{
    const size_t n = self->n, size = self->n_rows;
    float *out = self->rows + size * n;
    aggregate_rows of = {.rows = self->with_share,
                         .shares = self->shares,
                         .n = n,
                         .n_judged = n_judged,
                         .n_bad = self->choice.n_bad,
                         .work = self->work};
    double total = 0.0;
    for (size_t r = 0; r < size; r++)
        total += weights[r];
    for (size_t r = 0; r < size; r++) {
        if (!(weights[r] > 0.0))
            continue;
        self->with_share[of.n_rows] = r == 0 && own ? own : self->rows + r * n;
        self->shares[of.n_rows++] = weights[r] / total;
    }
    self->choice.rule->combine(&of, out);
    memcpy(w, out, n * sizeof *w);
}

double transport_aggregate(aggregate *self, float *w, const double *weights, size_t n_judged)
{
    const bool server = transport_is_server();
    const size_t n_bytes = self->n * sizeof *w;
    int n_positive = 0, from = 0;
    for (int r = 0; r < transport_size(); r++)
        if (weights[r] > 0.0) {
            n_positive++;
            from = r;
        }
    (void)wire_take_time();
    if (n_positive > 1) {
        assert(n_positive >= aggregate_least(&self->choice));
        from = 0;
        transport_gather(server ? NULL : w, n_bytes, self->rows, TRANSPORT_SPIN);
        if (server)
            combine(self, w, weights, n_judged, w);
    }
    transport_broadcast(w, n_bytes, from, TRANSPORT_SPIN);
    return wire_take_time();
}

/* ---- several vectors of a rank ------------------------------------------------------------------- */

void transport_aggregate_collect(aggregate *self, size_t i, const float *row, int rank)
{
    const size_t n_bytes = self->n * sizeof *row;
    assert(i < self->n_rows);
    if (transport_is_server() && row)
        memcpy(self->rows + i * self->n, row, n_bytes);
    else if (transport_is_server())
        transport_receive(self->rows + i * self->n, n_bytes, rank, TRANSPORT_SPIN);
    else if (row)
        transport_send(row, n_bytes, 0, TRANSPORT_SPIN);
}

double transport_aggregate_collected(aggregate *self, float *w, const double *weights,
                                     size_t n_judged)
{
    if (transport_is_server())
        combine(self, w, weights, n_judged, NULL);
    transport_broadcast(w, self->n * sizeof *w, 0, TRANSPORT_SPIN);
    return wire_take_time();
}
