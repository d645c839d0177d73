#include "kernels/conv.h"

size_t conv_weights(const conv_shape *s)
{
    return (size_t)s->out_channels * (size_t)s->in_channels * (size_t)s->kernel * (size_t)s->kernel;
}

size_t conv_in_vecs(const conv_plan *plan)
{
    const conv_shape *s = &plan->shape;
    int height = s->in_height, width = s->in_width;
    if (plan->bare) {
        height -= s->border_top + s->border_bottom;
        width -= s->border_left + s->border_right;
    }
    return (size_t)s->in_channels * (size_t)height * (size_t)width;
}
