#include "descent.h"

static optimizer_settings settings_of(const train_options *o)
{
    return (optimizer_settings){
        .lr = o->lr,
        .momentum = o->momentum,
        .weight_decay = o->weight_decay,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
        .muon_lr = o->muon_lr,
        .muon_momentum = o->muon_momentum,
        .muon_dense = o->muon_dense,
        .proximal = o->proximal,
        .clip_norm = o->clip_norm,
        .nesterov = o->nesterov,
        .decoupled = o->decoupled,
    };
}

static schedule schedule_of(const train_options *o, double round_steps)
{
    return (schedule){
        .kind = (enum schedule_kind)o->schedule,
        .lr = o->lr,
        .warmup_steps = o->warmup * round_steps,
        .total_steps = (double)o->rounds * round_steps,
        .start = o->lr_start,
        .final = o->lr_final,
        .milestones = o->milestones.values,
        .n_milestones = o->milestones.n,
        .round_steps = round_steps,
        .gamma = o->gamma,
    };
}

/* Where former starts have led to. */
static void begin(descent *self, const descent_course *on)
{
    self->schedule = schedule_of(self->options, (double)on->round_steps);
    self->epoch_steps = (double)on->epoch_steps;
    self->step = on->rounds_before * on->round_steps;
}

bool descent_init(descent *self, const train_options *options, const engine *with, const model *of,
                  const descent_course *on, error *err)
{
    const optimizer_settings settings = settings_of(options);
    *self = (descent){.options = options, .engine = with};
    begin(self, on);
    return optimizer_init(&self->optimizer, with->optimizer_rules[options->optimizer], &settings,
                          of, err);
}

bool descent_twin(descent *self, const descent *first, const descent_course *on, bool has_states,
                  error *err)
{
    *self = *first;
    begin(self, on);
    return optimizer_twin(&self->optimizer, &first->optimizer, has_states, err);
}

void descent_release(descent *self)
{
    optimizer_release(&self->optimizer);
    *self = (descent){0};
}

double descent_lr(const descent *self)
{
    return schedule_lr(&self->schedule, (double)self->step);
}

void descent_next(descent *self)
{
    double step = (double)self->step++;
    self->optimizer.factor = schedule_factor(&self->schedule, step);
    self->optimizer.epoch = step / self->epoch_steps;
}

void descent_skip(descent *self, uint64_t n)
{
    self->step += n;
}

void descent_step(descent *self, float *w, float *g, int n_threads)
{
    descent_next(self);
    self->engine->optimizer_step(&self->optimizer, w, g, n_threads);
}
