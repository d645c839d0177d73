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

/* ---- what a client has of its own ------------------------------------------------------------------ */

static float *state_of(const job *of, int k, int which)
{
    return of->descents[k].optimizer.states[which];
}

static float *age_of(const job *of, int k, int which)
{
    (void)which;
    return of->descents[k].optimizer.age;
}

/* A worker's: where a rule has one, a worker is a client. */
static float *residual_of(const job *of, int k, int which)
{
    (void)k;
    (void)which;
    return of->merge.average.residual;
}

static float *variate_of(const job *of, int k, int which)
{
    (void)which;
    return variates_own(&of->variates, k);
}

static float *local_of(const job *of, int k, int which)
{
    (void)which;
    return local_own(&of->merge.local, k);
}

/* ---- the list ------------------------------------------------------------------------------------- */

/* Of the optimizer; a rank that takes no steps has none. */
static void add_optimizer(listing *self, const job *of)
{
    static const optimizer none;
    const optimizer_rule *rule = optimizer_rules[of->options->optimizer];
    const optimizer *by = of->descents ? &of->descents[0].optimizer : &none;
    const bool keep = of->options->keep_momentum, each = of->options->sync == SYNC_WEIGHTS;
    for (int k = 0; rule->states[k].name; k++) {
        const optimizer_state *state = &rule->states[k];
        add(self, keep,
            (saved_vector){.name = state->name,
                           .about = each ? state->of_worker : state->of_all,
                           .per_client = each,
                           .n = of->model->n_weights,
                           .at = each ? NULL : by->states[k],
                           .own = state_of,
                           .which = k});
    }
    add(self, keep && rule->ages,
        (saved_vector){"age", "Steps that the means are of.", .per_client = each, .n = 1,
                       .at = each ? NULL : by->age, .own = age_of});
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
        (saved_vector){"residual", "What each worker has not sent yet.", .per_client = true,
                       .may_be_missing = true, .n = n, .own = residual_of});
    add(&all, of->options->ema > 0.0,
        (saved_vector){"ema", "Moving average of the weights.", .server_alone = true, .n = n,
                       .at = of->server.ema.w});
    for (size_t k = 0; then->states[k]; k++)
        add(&all, true,
            (saved_vector){then->rule->states[k].name, "State of the server optimizer.",
                           .n = then->n, .at = then->states[k]});
    add(&all, of->options->local_statistics,
        (saved_vector){"local", "Batch norm of each client.", .per_client = true,
                       .n = of->merge.local.n, .own = local_of});
    add(&all, of->options->control_variates,
        (saved_vector){"variate", "Control variate of each client.", .per_client = true,
                       .n = of->model->n_trained, .own = variate_of});
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
    return (checkpoint_vector){of->name, of->about, of->per_client, of->n, values};
}
