#include "algorithms.h"

#include <assert.h>

static const conv_algorithm *const algorithms[] = {
    [CONV_DIRECT] = &conv_direct, [CONV_F2] = &conv_f2, [CONV_F4] = &conv_f4};

const char *const conv_method_names[] = {
    [CONV_DIRECT] = "direct", [CONV_F2] = "f2", [CONV_F4] = "f4", NULL};

bool conv_method_fits(enum conv_method method, int kernel, int stride)
{
    return method == CONV_DIRECT || (kernel == 3 && stride == 1);
}

enum conv_method conv_method_choose(const conv_shape *s)
{
    enum { CHANNELS = 16, SIDE = 6 };
    bool pays = s->in_channels >= CHANNELS && s->out_channels >= CHANNELS &&
                s->out_height >= SIDE && s->out_width >= SIDE;
    return pays && conv_method_fits(CONV_F4, s->kernel, s->stride) ? CONV_F4 : CONV_DIRECT;
}

conv_plan conv_plan_make(const conv_shape *shape, enum conv_method method,
                         const conv_tiling *tiling)
{
    conv_plan plan = {.algorithm = algorithms[method],
                      .shape = *shape,
                      .tiling = tiling ? *tiling : conv_tiling_choose(shape)};
    assert(shape->kernel <= CONV_MAX_KERNEL && plan.tiling.strip >= 1);
    assert(conv_method_fits(method, shape->kernel, shape->stride));
    plan.algorithm->plan(&plan);
    return plan;
}

void conv_pack(const conv_plan *plan, const float *w, float *packed, size_t begin, size_t end)
{
    const conv_shape *s = &plan->shape;
    long taps = (long)s->kernel * s->kernel;
    plan->algorithm->pack(plan, w, (const long[]){s->in_channels * taps, taps, 1}, packed, begin,
                          end);
}

void conv_pack_flipped(const conv_plan *plan, const float *w, float *packed, size_t begin,
                       size_t end)
{
    const conv_shape *s = &plan->shape;
    long taps = (long)s->kernel * s->kernel;
    plan->algorithm->pack(plan, w + taps - 1, (const long[]){taps, s->out_channels * taps, -1},
                          packed, begin, end);
}

void conv_forward(const conv_plan *plan, const conv_arrays *arrays, size_t begin, size_t end)
{
    plan->algorithm->forward(plan, arrays, begin, end);
}

static const conv_gradient_algorithm *const gradient_algorithms[] = {[CONV_DIRECT] =
                                                                         &conv_gradient_direct,
                                                                     [CONV_F2] = &conv_gradient_f2,
                                                                     [CONV_F4] = &conv_gradient_f4};

conv_gradient_plan conv_gradient_plan_make(const conv_shape *shape, enum conv_method method,
                                           int n_threads)
{
    conv_gradient_plan plan = {.algorithm = gradient_algorithms[method], .shape = *shape};
    assert(conv_method_fits(method, shape->kernel, shape->stride));
    plan.algorithm->plan(&plan, n_threads);
    return plan;
}

void conv_weight_gradient(const conv_gradient_plan *plan, const conv_gradient_arrays *arrays,
                          size_t begin, size_t end)
{
    plan->algorithm->gradient(plan, arrays, begin, end);
}

void conv_weight_finish(const conv_gradient_plan *plan, const float *transformed, float *gw,
                        size_t begin, size_t end)
{
    if (plan->n_finish > 0)
        plan->algorithm->finish(plan, transformed, gw, begin, end);
}
