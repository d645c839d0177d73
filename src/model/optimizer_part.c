#include "base/memory.h"
#include "kernels/update.h"
#include "model/optimizer.h"

void optimizer_share(const optimizer_part *part, const team *us, size_t *begin, size_t *end)
{
    size_t n = part->end - part->begin;
    team_share(us, (n + MEMORY_ALIGNMENT - 1) / MEMORY_ALIGNMENT, begin, end);
    *begin = part->begin + *begin * MEMORY_ALIGNMENT;
    *end = part->begin + *end * MEMORY_ALIGNMENT;
    *end = *end < part->end ? *end : part->end;
}

double optimizer_lr(const optimizer *self, const optimizer_part *part)
{
    return self->settings.lr * self->factor * (double)part->training.lr;
}

double optimizer_decay(const optimizer *self, const optimizer_part *part)
{
    return self->settings.weight_decay * (double)part->training.weight_decay;
}

void optimizer_descend(const optimizer *self, const optimizer_part *part, float *w, const float *g,
                       bool nesterov, const team *us)
{
    const optimizer_settings *s = &self->settings;
    const update_rule rule = {.lr = (float)optimizer_lr(self, part),
                              .momentum = (float)s->momentum,
                              .weight_decay = (float)optimizer_decay(self, part),
                              .nesterov = nesterov,
                              .decoupled = s->decoupled};
    size_t begin, end;
    optimizer_share(part, us, &begin, &end);
    if (begin < end)
        update_sgd(&rule, w, self->states[0], g, begin, end);
}
