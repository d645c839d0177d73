#include "model/schedule.h"

#include <math.h>

double schedule_lr(const schedule *self, double step)
{
    if (step < self->warmup_steps)
        return self->lr * fmin(1.0, (step + 1.0) / self->warmup_steps);
    if (self->kind == SCHEDULE_CONSTANT)
        return self->lr;
    double last = fmax(self->total_steps - 1.0, 0.0);
    double rest = self->total_steps - self->warmup_steps;
    double done = rest > 0.0 ? (fmin(step, last) - self->warmup_steps) / rest : 0.0;
    done = fmax(done, 0.0);
    if (self->kind == SCHEDULE_LINEAR)
        return self->lr * (1.0 - done);
    return self->lr * 0.5 * (1.0 + cos(3.14159265358979323846 * done));
}
