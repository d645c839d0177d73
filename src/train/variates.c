#include "variates.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <math.h>

/* Behind each other, each where a cache line begins. */
static size_t stride(const variates *self)
{
    return memory_lines(self->of->n_trained * sizeof *self->own) / sizeof *self->own;
}

bool variates_init(variates *self, const average_rule *rule, const model *of, const course *on,
                   error *err)
{
    const size_t n = of->n_trained;
    *self = (variates){.of = of, .n_clients = on->n_clients, .several = course_most(on) > 1};
    self->shares = memory_new((size_t)transport_size(), sizeof *self->shares, err);
    self->common = memory_new(n, sizeof *self->common, err);
    self->way = memory_new(n, sizeof *self->way, err);
    if (transport_is_worker()) {
        self->own = memory_new((size_t)on->load[transport_worker()].n_clients,
                               stride(self) * sizeof *self->own, err);
        self->shift = memory_new(n, sizeof *self->shift, err);
    }
    return average_init(&self->average, rule, n, err) &&
           (!self->several || average_several(&self->average, err));
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

float *variates_own(const variates *self, int k)
{
    return self->own + (size_t)k * stride(self);
}

void variates_turn(variates *self, int k)
{
    const float *own = variates_own(self, k);
    for (size_t i = 0; i < self->of->n_trained; i++)
        self->shift[i] = self->common[i] - own[i];
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

void variates_add(variates *self, int k, const variates_round *mine, int n)
{
    float *own = variates_own(self, k);
    find_change(self, mine);
    for (size_t i = 0; i < self->of->n_trained; i++)
        own[i] += self->way[i];
    if (self->several && n > 1)
        average_add(&self->average, self->way, 1.0 / n);
}

double variates_take(variates *self, const double *weights, int n)
{
    double t_wire_s;
    for (int r = 0; r < transport_size(); r++)
        self->shares[r] = weights[r] > 0.0 ? 1.0 : 0.0;
    if (self->several && n > 1)
        t_wire_s = transport_average_added(&self->average, self->way);
    else
        t_wire_s = transport_average(&self->average, self->way, NULL, self->shares);
    const float share = (float)n / (float)self->n_clients;
    for (size_t k = 0; k < self->of->n_trained && n > 0; k++)
        self->common[k] += share * self->way[k];
    return t_wire_s;
}
