#include "merge.h"

#include "base/memory.h"
#include "kernels/update.h"
#include "transport/transport.h"

#include <math.h>
#include <string.h>

bool merge_init(merge *self, const merge_rules *rules, const model *of, error *err)
{
    size_t n = of->n_weights;
    *self = (merge){.of = of, .privacy = rules->privacy};
    if (rules->average->uses_before || rules->outer->apply || rules->keeps_before ||
        rules->privacy.clip > 0.0)
        self->before = memory_new(n, sizeof *self->before, err);
    return (!rules->keeps_local || local_init(&self->local, of, rules->n_clients, err)) &&
           average_init(&self->average, rules->average, n, err) &&
           aggregate_init(&self->aggregate, &rules->aggregate, n,
                          rules->n_rows > 0 ? rules->n_rows : (size_t)transport_size(), err) &&
           outer_init(&self->outer, rules->outer, &rules->settings, of->n_trained, err);
}

void merge_release(merge *self)
{
    average_release(&self->average);
    aggregate_release(&self->aggregate);
    outer_release(&self->outer);
    local_release(&self->local);
    memory_free(self->before);
    self->before = NULL;
}

/* The same on every rank. */
static void keep_before(merge *self, const float *w)
{
    if (!self->before)
        return;
    memcpy(self->before, w, self->average.n * sizeof *w);
    model_to_moments(self->of, w, self->before);
}

void merge_begin(merge *self, const float *w, bool resumed)
{
    keep_before(self, w);
    if (!resumed)
        local_begin(&self->local, w);
}

/* What takes the place of the statistics while they are averaged; kept below what an average can hold. */
static void to_moments(const merge *self, float *w)
{
    model_to_moments(self->of, w, w);
    for (size_t k = self->of->n_trained; k < self->of->n_weights; k++)
        w[k] = w[k] < AVERAGE_LIMIT ? w[k] : nextafterf(AVERAGE_LIMIT, 0.0F);
}

/* How many have a part in it. */
static int count(const double *weights, int n_weights)
{
    int n = 0;
    for (int k = 0; k < n_weights; k++)
        n += weights[k] > 0.0;
    return n;
}

void merge_outer(merge *self, float *w, uint64_t round)
{
    outer_apply(&self->outer, w, self->before, round);
    local_share(&self->local, w);
    keep_before(self, w);
}

/* Statistics as moments, which may be averaged. */
static double mean_of_weights(merge *self, float *w, const double *weights)
{
    bool several = count(weights, transport_size()) > 1; /* one's statistics are as they are */
    if (several)
        to_moments(self, w);
    double t_wire_s = transport_average(&self->average, w, self->before, weights);
    if (several)
        model_from_moments(self->of, w, w);
    return t_wire_s;
}

/* A robust aggregate takes statistics as they stand: a median of moments may be no variance's. */
static double combine(merge *self, float *w, const double *weights)
{
    return self->aggregate.choice.rule->combine
               ? transport_aggregate(&self->aggregate, w, weights, self->of->n_trained)
               : mean_of_weights(self, w, weights);
}

static void stretch(const merge *self, float *w, double factor)
{
    for (size_t k = 0; k < self->of->n_trained; k++)
        w[k] = self->before[k] + (float)factor * (w[k] - self->before[k]);
}

/* From the mean, or what is in its place, to what all go on from. */
static void conclude(merge *self, float *w, const merge_shares *by, int n_updates, uint64_t round)
{
    local_mean(&self->local, w);
    if (by->stretch != 1.0)
        stretch(self, w, by->stretch);
    if (self->privacy.noise > 0.0 && n_updates > 0)
        privacy_noise(&self->privacy, w, self->of->n_trained, n_updates, round);
    merge_outer(self, w, round);
}

double merge_weights(merge *self, float *w, const merge_shares *by, uint64_t round)
{
    const int n_updates = count(by->weights, transport_size());
    if (self->privacy.clip > 0.0 && by->weights[transport_rank()] > 0.0)
        privacy_clip(&self->privacy, w, self->before, self->of->n_trained);
    const double t_wire_s = combine(self, w, by->weights);
    conclude(self, w, by, n_updates, round);
    return t_wire_s;
}

/* ---- several clients of a rank ------------------------------------------------------------------- */

bool merge_several(merge *self, error *err)
{
    return average_several(&self->average, err);
}

/* This rank's vector of a place of the roster; NULL: another's. */
static float *row_of(const merge_rows *rows, int place)
{
    const roster_place *at = &rows->who->places[place];
    return at->rank == transport_rank() ? rows->first + (size_t)at->slot * rows->stride : NULL;
}

/* One's weights are as they are. */
static void take_one(const merge *self, float *w, const merge_rows *rows, int place)
{
    const float *mine = row_of(rows, place);
    const size_t n_bytes = self->average.n * sizeof *w;
    if (mine)
        memcpy(w, mine, n_bytes);
    transport_broadcast(w, n_bytes, rows->who->places[place].rank, TRANSPORT_SPIN);
}

static double mean_of_clients(merge *self, float *w, const merge_rows *rows, const double *weights,
                              double total)
{
    for (int i = 0; i < rows->who->n; i++) {
        float *mine = row_of(rows, i);
        if (!mine || !(weights[i] > 0.0))
            continue;
        to_moments(self, mine);
        average_add(&self->average, mine, weights[i] / total);
    }
    const double t_wire_s = transport_average_added(&self->average, w);
    model_from_moments(self->of, w, w);
    return t_wire_s;
}

static double aggregate_clients(merge *self, float *w, const merge_rows *rows,
                                const double *weights)
{
    for (int i = 0; i < rows->who->n; i++)
        if (weights[i] > 0.0)
            transport_aggregate_collect(&self->aggregate, (size_t)i, row_of(rows, i),
                                        rows->who->places[i].rank);
    return transport_aggregate_collected(&self->aggregate, w, weights, self->of->n_trained);
}

static void clip_clients(const merge *self, const merge_rows *rows, const double *weights)
{
    for (int i = 0; i < rows->who->n; i++)
        if (weights[i] > 0.0 && row_of(rows, i))
            privacy_clip(&self->privacy, row_of(rows, i), self->before, self->of->n_trained);
}

/* With none w is what all went on from. */
static double combine_clients(merge *self, float *w, const merge_rows *rows, const double *weights)
{
    int n_positive = 0, last = 0;
    double total = 0.0;
    for (int i = 0; i < rows->who->n; i++) {
        total += weights[i];
        n_positive += weights[i] > 0.0;
        last = weights[i] > 0.0 ? i : last;
    }
    if (n_positive == 1)
        take_one(self, w, rows, last);
    if (n_positive <= 1)
        return 0.0;
    return self->aggregate.choice.rule->combine ? aggregate_clients(self, w, rows, weights)
                                                : mean_of_clients(self, w, rows, weights, total);
}

double merge_clients(merge *self, float *w, const merge_rows *rows, const merge_shares *by,
                     uint64_t round)
{
    const int n_updates = count(by->weights, rows->who->n);
    if (self->privacy.clip > 0.0)
        clip_clients(self, rows, by->weights);
    const double t_wire_s = combine_clients(self, w, rows, by->weights);
    conclude(self, w, by, n_updates, round);
    return t_wire_s;
}

/* ---- gradients ----------------------------------------------------------------------------------- */

/* Floats are multiplied exactly: no exponent beyond those of normal numbers. */
static int exponent_of(float largest)
{
    int exponent = largest > 0.0F ? 19 - (ilogbf(largest) + 1) : 0;
    return exponent > 126 ? 126 : exponent < -126 ? -126 : exponent;
}

double merge_gradients(merge *self, float *g, size_t n_trained, float largest,
                       const double *weights)
{
    if (self->aggregate.choice.rule->combine)
        return combine(self, g, weights);
    bool several = count(weights, transport_size()) > 1;
    int exponent = exponent_of(largest);
    if (several)
        to_moments(self, g); /* behind the gradient stand the batch's statistics */
    vector_scale(g, n_trained, ldexpf(1.0F, exponent));
    double t_wire_s = transport_average(&self->average, g, self->before, weights);
    vector_scale(g, n_trained, ldexpf(1.0F, -exponent));
    if (several)
        model_from_moments(self->of, g, g);
    return t_wire_s;
}
