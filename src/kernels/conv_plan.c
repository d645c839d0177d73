#include "algorithms.h"

#include <assert.h>

enum { KERNELS = 2 }; /* 3 and 5 */

/* By method and kernel; NULL: there is none. */
typedef struct algorithms {
    const conv_algorithm *algorithm;
    const conv_gradient_algorithm *gradient;
} algorithms;

static const algorithms direct = {&conv_direct, &conv_gradient_direct};
static const algorithms winograd[][KERNELS] = {
    [CONV_F2] = {{&conv_f2, &conv_gradient_f2}, {&conv_f2_5x5, &conv_gradient_f2_5x5}},
    [CONV_F4] = {{&conv_f4, &conv_gradient_f4}}};

const char *const conv_method_names[] = {
    [CONV_DIRECT] = "direct", [CONV_F2] = "f2", [CONV_F4] = "f4", NULL};

/* NULL: it cannot compute such a convolution. */
static const algorithms *algorithms_for(enum conv_method number, int kernel, int stride)
{
    if (number == CONV_DIRECT)
        return &direct;
    if ((kernel != 3 && kernel != 5) || stride != 1)
        return NULL;
    const algorithms *a = &winograd[number][kernel == 5];
    return a->algorithm ? a : NULL;
}

bool conv_method_fits(enum conv_method method, int kernel, int stride)
{
    return algorithms_for(method, kernel, stride) != NULL;
}

enum conv_method conv_method_choose(const conv_shape *s)
{
    enum { CHANNELS = 16, SIDE = 6 };
    enum conv_method fastest = s->kernel == 3 ? CONV_F4 : CONV_F2;
    bool pays = s->in_channels >= CHANNELS && s->out_channels >= CHANNELS &&
                s->out_height >= SIDE && s->out_width >= SIDE;
    return pays && conv_method_fits(fastest, s->kernel, s->stride) ? fastest : CONV_DIRECT;
}

conv_plan conv_plan_make(const conv_shape *shape, enum conv_method method,
                         const conv_tiling *tiling)
{
    conv_plan plan = {.algorithm = algorithms_for(method, shape->kernel, shape->stride)->algorithm,
                      .shape = *shape};
    assert(shape->kernel <= CONV_MAX_KERNEL);
    assert(conv_method_fits(method, shape->kernel, shape->stride));
    if (method == CONV_DIRECT) {
        plan.tiling = tiling ? *tiling : conv_tiling_choose(shape);
        assert(plan.tiling.strip >= 1);
    }
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

conv_gradient_plan conv_gradient_plan_make(const conv_shape *shape, enum conv_method method,
                                           int n_threads)
{
    conv_gradient_plan plan = {.algorithm =
                                   algorithms_for(method, shape->kernel, shape->stride)->gradient,
                               .shape = *shape};
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
