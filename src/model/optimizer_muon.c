#include "kernels/muon.h"
#include "model/optimizer.h"

static size_t work_of(const optimizer_part *part)
{
    return part->rows > 0 ? muon_work(part->rows, part->columns) : 0;
}

static double operations_of(const optimizer_part *part)
{
    return part->rows > 0 ? muon_operations(part->rows, part->columns) : 0.0;
}

static void muon_update(const optimizer *self, const optimizer_part *part, float *w, const float *g,
                        const team *us)
{
    const optimizer_settings *s = &self->settings;
    const muon_rule rule = {(float)(s->muon_lr * self->factor * (double)part->training.lr),
                            (float)s->muon_momentum};
    if (part->rows == 0) {
        optimizer_descend(self, part, w, g, true, us);
        return;
    }
    const muon_matrix at = {
        part->rows,      part->columns, w + part->begin, self->states[0] + part->begin,
        g + part->begin, self->work,    self->sums};
    muon_step(&rule, &at, us);
    team_barrier(us); /* the room is the next matrix's */
}

/* Muon for the weights of convolutions, stochastic gradient descent for the rest. */
const optimizer_rule optimizer_muon = {
    .name = "muon",
    .states = {{"v", "Momentum of each worker.", "Momentum."}},
    .by_matrix = true,
    .update = muon_update,
    .work = work_of,
    .operations = operations_of,
};
