#include "variates.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <math.h>

bool variates_init(variates *self, const average_rule *rule, const model *of, error *err)
{
    const size_t n = of->n_trained;
    *self = (variates){.of = of};
    self->shares = memory_new((size_t)transport_size(), sizeof *self->shares, err);
    self->common = memory_new(n, sizeof *self->common, err);
    self->way = memory_new(n, sizeof *self->way, err);
    if (transport_is_worker()) {
        self->own = memory_new(n, sizeof *self->own, err);
        self->shift = memory_new(n, sizeof *self->shift, err);
    }
    return average_init(&self->average, rule, n, err);
}

void variates_release(variates *self)
{
    average_release(&self->average);
    memory_free(self->shares);
    memory_free(self->common);
    memory_free(self->own);
    memory_free(self->shift);
    memory_free(self->way);
    *self = (variates){0};
}

void variates_begin(variates *self)
{
    for (size_t k = 0; self->own && k < self->of->n_trained; k++)
        self->shift[k] = self->common[k] - self->own[k];
}

/* How c_i changes: to a round's mean gradient, which has been corrected by c - c_i. */
static void find_change(variates *self, const variates_round *mine)
{
    for (int g = 0; g < self->of->n_groups; g++) {
        const model_group *group = &self->of->groups[g];
        const double way = mine->way * group->training.lr;
        const bool moves = way > 0.0 && mine->epoch < (double)group->training.epochs;
        for (size_t k = group->begin; k < group->end; k++) {
            const double gradient = ((double)mine->before[k] - (double)mine->w[k]) / way;
            const float change = moves ? (float)(gradient - (double)self->common[k]) : 0.0F;
            self->way[k] = fmaxf(-AVERAGE_LIMIT / 2, fminf(change, AVERAGE_LIMIT / 2));
        }
    }
}

double variates_take(variates *self, const variates_round *mine, const double *weights)
{
    const size_t n = self->of->n_trained;
    int n_counted = 0;
    for (int r = 0; r < transport_size(); r++) {
        self->shares[r] = weights[r] > 0.0 ? 1.0 : 0.0;
        n_counted += weights[r] > 0.0;
    }
    if (self->own && weights[transport_rank()] > 0.0) {
        find_change(self, mine);
        for (size_t k = 0; k < n; k++)
            self->own[k] += self->way[k];
    }
    const double t_wire_s = transport_average(&self->average, self->way, NULL, self->shares);
    const float share = (float)n_counted / (float)transport_workers();
    for (size_t k = 0; k < n && n_counted > 0; k++)
        self->common[k] += share * self->way[k];
    variates_begin(self);
    return t_wire_s;
}
