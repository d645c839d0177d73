#include "saved.h"

size_t saved_list(const job *of, saved_values at, checkpoint_vector list[SAVED_MAX])
{
    const bool each = true, one = false;
    const size_t n = of->model->n_weights;
    const struct {
        bool wanted;
        checkpoint_vector is;
    } all[] = {
        {true, {SAVED_WEIGHTS, "Weights from which training goes on.", one, n, at.w}},
        {of->options->keep_momentum, {SAVED_MOMENTUM, "Momentum of each worker.", each, n, at.v}},
    };
    _Static_assert(sizeof all / sizeof *all <= SAVED_MAX, "SAVED_MAX");
    size_t n_wanted = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].wanted)
            list[n_wanted++] = all[i].is;
    return n_wanted;
}
