#include "model/optimizer.h"

static void sgd_update(const optimizer *self, const optimizer_part *part, float *w, const float *g,
                       const team *us)
{
    optimizer_descend(self, part, w, g, self->settings.nesterov, us);
}

/* Stochastic gradient descent with momentum. */
const optimizer_rule optimizer_sgd = {
    .name = "sgd",
    .states = {{"v", "Momentum of each worker.", "Momentum."}},
    .update = sgd_update,
};
