#include "saved.h"

size_t saved_list(const job *of, saved_vector list[SAVED_MAX])
{
    const bool each = true, one = false, must = false, may_be_missing = true;
    const size_t n = of->model->n_weights;
    const outer *then = &of->merge.outer;
    const struct {
        bool wanted;
        saved_vector is;
    } all[] = {
        {true, {"w", "Weights from which training goes on.", one, must, n, of->w}},
        {of->options->keep_momentum,
         {"v", "Momentum of each worker.", each, must, n, of->worker.at.v}},
        {of->merge.average.rule->has_residual, /* the rule before may have had none */
         {"residual", "What each worker has not sent yet.", each, may_be_missing, n,
          of->merge.average.residual}},
    };
    _Static_assert(sizeof all / sizeof *all + OUTER_STATES <= SAVED_MAX, "SAVED_MAX");
    size_t n_wanted = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].wanted)
            list[n_wanted++] = all[i].is;
    for (size_t k = 0; then->states[k]; k++)
        list[n_wanted++] = (saved_vector){then->rule->states[k].name,
                                          "State of the server optimizer.",
                                          one,
                                          must,
                                          then->n,
                                          then->states[k]};
    return n_wanted;
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
