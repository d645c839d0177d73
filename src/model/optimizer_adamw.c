#include "kernels/update.h"
#include "model/optimizer.h"

#include <math.h>

static void adamw_update(const optimizer *self, const optimizer_part *part, float *w,
                         const float *g, const team *us)
{
    const optimizer_settings *s = &self->settings;
    double lr = optimizer_lr(self, part), age = (double)*self->age;
    const adamw_rule rule = {
        .step = (float)(lr / (1.0 - pow(s->beta1, age))),
        .keep = (float)(1.0 - lr * optimizer_decay(self, part)),
        .rate1 = (float)(1.0 - s->beta1),
        .rate2 = (float)(1.0 - s->beta2),
        .root = (float)(1.0 / sqrt(1.0 - pow(s->beta2, age))),
        .epsilon = (float)s->epsilon,
    };
    size_t begin, end;
    optimizer_share(part, us, &begin, &end);
    if (begin < end)
        update_adamw(&rule, &(adamw_vectors){w, self->states[0], self->states[1], g}, begin, end);
}

/* Adam with decoupled weight decay. */
const optimizer_rule optimizer_adamw = {
    .name = "adamw",
    .states = {{"exp_avg", "Mean of the gradients, of each worker.", "Mean of the gradients."},
               {"exp_avg_sq", "Mean of the gradients' squares, of each worker.",
                "Mean of the gradients' squares."}},
    .ages = true,
    .update = adamw_update,
};
