#include "saved.h"

typedef struct listing {
    saved_vector *list;
    size_t n;
} listing;

static void add(listing *self, bool wanted, saved_vector v)
{
    if (wanted)
        self->list[self->n++] = v;
}

/* Of the optimizer; a rank that takes no steps has none. */
static void add_optimizer(listing *self, const job *of)
{
    const optimizer_rule *rule = optimizer_rules[of->options->optimizer];
    const optimizer *by = &of->descent.optimizer;
    const bool keep = of->options->keep_momentum, each = of->options->sync == SYNC_WEIGHTS;
    for (size_t k = 0; rule->states[k].name; k++) {
        const optimizer_state *state = &rule->states[k];
        add(self, keep,
            (saved_vector){.name = state->name,
                           .about = each ? state->of_worker : state->of_all,
                           .per_worker = each,
                           .n = of->model->n_weights,
                           .at = by->states[k]});
    }
    add(self, keep && rule->ages,
        (saved_vector){"age", "Steps that the means are of.", .per_worker = each, .n = 1,
                       .at = by->age});
}

size_t saved_list(const job *of, saved_vector list[SAVED_MAX])
{
    const size_t n = of->model->n_weights;
    const outer *then = &of->merge.outer;
    const average *mean = &of->merge.average;
    listing all = {list, 0};
    _Static_assert(7 + OPTIMIZER_STATES + OUTER_STATES <= SAVED_MAX, "SAVED_MAX");
    add(&all, true,
        (saved_vector){"w", "Weights from which training goes on.", .n = n, .at = of->w});
    add_optimizer(&all, of);
    add(&all, mean->rule->has_residual, /* the rule before may have had none */
        (saved_vector){"residual", "What each worker has not sent yet.", .per_worker = true,
                       .may_be_missing = true, .n = n, .at = mean->residual});
    add(&all, of->options->ema > 0.0,
        (saved_vector){"ema", "Moving average of the weights.", .server_alone = true, .n = n,
                       .at = of->server.ema.w});
    for (size_t k = 0; then->states[k]; k++)
        add(&all, true,
            (saved_vector){then->rule->states[k].name, "State of the server optimizer.",
                           .n = then->n, .at = then->states[k]});
    add(&all, of->options->local_statistics,
        (saved_vector){"local", "Batch norm of each worker.", .per_worker = true,
                       .n = of->merge.local.n, .at = of->merge.local.own});
    add(&all, of->options->control_variates,
        (saved_vector){"variate", "Control variate of each worker.", .per_worker = true,
                       .n = of->model->n_trained, .at = of->variates.own});
    add(&all, of->options->control_variates,
        (saved_vector){"variate_mean", "Mean of the control variates.", .n = of->model->n_trained,
                       .at = of->variates.common});
    return all.n;
}

size_t saved_plan(const job *of, checkpoint_vector list[SAVED_MAX])
{
    saved_vector all[SAVED_MAX];
    size_t n = saved_list(of, all);
    for (size_t i = 0; i < n; i++)
        list[i] = saved_in_checkpoint(&all[i], NULL);
    return n;
}

checkpoint_vector saved_in_checkpoint(const saved_vector *of, const float *values)
{
    return (checkpoint_vector){of->name, of->about, of->per_worker, of->n, values};
}
