#include "model/schedule.h"

#include <math.h>

/* What a kind takes where nothing is given: the warm-up's share of all steps, and where it begins. */
typedef struct schedule_row {
    const char *name;
    bool ends;
    double warmup, start;
} schedule_row;

static const schedule_row rows[] = {
    [SCHEDULE_CONSTANT] = {"constant", false, 0.0, 0.0},
    [SCHEDULE_LINEAR] = {"linear", true, 0.0, 0.0},
    [SCHEDULE_COSINE] = {"cosine", true, 0.0, 0.0},
    [SCHEDULE_STEP] = {"step", false, 0.0, 0.0},
    [SCHEDULE_ONECYCLE] = {"onecycle", true, 0.3, 0.04},
    [SCHEDULE_TRIANGLE] = {"triangle", true, 0.23, 0.2},
};

const char *schedule_name(size_t kind)
{
    return kind < sizeof rows / sizeof *rows ? rows[kind].name : NULL;
}

bool schedule_ends(enum schedule_kind kind)
{
    return rows[kind].ends;
}

/* From 1 to 0 as x goes from 0 to 1. */
static double half_cosine(double x)
{
    return 0.5 * (1.0 + cos(3.14159265358979323846 * x));
}

static double rise(const schedule *self, double step, double peak)
{
    double start = self->start > 0.0 ? self->start : rows[self->kind].start;
    if (start <= 0.0)
        return fmin(1.0, (step + 1.0) / peak);
    if (self->kind == SCHEDULE_ONECYCLE)
        return 1.0 + (start - 1.0) * half_cosine(step / peak);
    return start + (1.0 - start) * (step / peak);
}

static double fall(const schedule *self, double step, double peak)
{
    double last = fmax(self->total_steps - 1.0, 0.0);
    double rest = (self->kind == SCHEDULE_ONECYCLE ? last : self->total_steps) - peak;
    double done = rest > 0.0 ? (fmin(step, last) - peak) / rest : 0.0;
    done = fmax(done, 0.0);
    bool straight = self->kind == SCHEDULE_LINEAR || self->kind == SCHEDULE_TRIANGLE;
    return self->final + (1.0 - self->final) * (straight ? 1.0 - done : half_cosine(done));
}

static double fall_by_milestones(const schedule *self, double step)
{
    double factor = 1.0;
    for (size_t k = 0; k < self->n_milestones; k++)
        if ((double)self->milestones[k] * self->round_steps <= step)
            factor *= self->gamma;
    return factor;
}

double schedule_factor(const schedule *self, double step)
{
    double warmup =
        self->warmup_steps > 0.0 ? self->warmup_steps : rows[self->kind].warmup * self->total_steps;
    /* One-cycle reaches its peak with the last step of the warm-up, the others with the next. */
    double peak = self->kind == SCHEDULE_ONECYCLE ? fmax(warmup - 1.0, 0.0) : warmup;
    if (self->kind == SCHEDULE_STEP)
        return fall_by_milestones(self, step) * (step < peak ? rise(self, step, peak) : 1.0);
    if (step < peak)
        return rise(self, step, peak);
    return self->kind == SCHEDULE_CONSTANT ? 1.0 : fall(self, step, peak);
}

double schedule_lr(const schedule *self, double step)
{
    return self->lr * schedule_factor(self, step);
}
