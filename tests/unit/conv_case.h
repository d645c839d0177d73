/*
 * conv_case.h - for the tests of the convolution kernels: one convolution with all its arrays, run and
 * compared with the plain kernels
 */
#ifndef BRAMBLE_TESTS_CONV_CASE_H
#define BRAMBLE_TESTS_CONV_CASE_H

#include "blocks.h"

#include "kernels/conv.h"
#include "kernels/reference.h"

/* One convolution with all its arrays, as the layer sets them up. */
typedef struct conv_case {
    reference_conv r;
    enum numbers numbers;
    enum conv_method method;
    int out_height, out_width;
    conv_embedding pad, margins; /* of the input, of the gradient of the output */
    conv_shape forward, gradient;
    conv_plan forward_plan, gradient_plan;
    conv_gradient_plan weights_plan;
    float *x, *w, *bias, *gy; /* row-major */
    vec *in, *padded, *out, *gout, *wide_gout, *gin;
    float *packed, *flipped, *transformed, *gw, *gb;
    vec *scratch;
} conv_case;

static inline size_t in_features(const conv_case *c)
{
    return (size_t)c->r.in_channels * (size_t)c->r.in_height * (size_t)c->r.in_width;
}

static inline size_t out_features(const conv_case *c)
{
    return (size_t)c->r.out_channels * (size_t)c->out_height * (size_t)c->out_width;
}

static inline size_t shape_features(const conv_shape *s)
{
    return (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
}

static inline bool fits(const reference_conv *r)
{
    return r->in_height + 2 * r->padding >= r->kernel && r->in_width + 2 * r->padding >= r->kernel;
}

/* Products of one pass over the images. */
static inline double work_of(const reference_conv *r)
{
    return (double)r->n_images * r->in_channels * r->out_channels * r->kernel * r->kernel *
           reference_side(r->in_height, r->kernel, r->stride, r->padding) *
           reference_side(r->in_width, r->kernel, r->stride, r->padding);
}

/* With these tiles; NULL: those that the kernel chooses. */
static inline void case_plan(conv_case *c, const conv_tiling *forward, const conv_tiling *gradient)
{
    c->forward_plan = conv_plan_make(&c->forward, c->method, forward);
    c->gradient_plan = conv_plan_make(&c->gradient, c->method, gradient);
    c->weights_plan = conv_gradient_plan_make(&c->forward, c->method, 1);
}

static inline void case_shapes(conv_case *c)
{
    const reference_conv *r = &c->r;
    int p = r->padding, before = r->kernel - 1 - p;
    c->out_height = reference_side(r->in_height, r->kernel, r->stride, p);
    c->out_width = reference_side(r->in_width, r->kernel, r->stride, p);
    c->pad = (conv_embedding){
        r->in_height, r->in_width, r->in_height + 2 * p, r->in_width + 2 * p, p, p, 1};
    int offset = before % r->stride, left = before / r->stride;
    int width = (r->in_width + r->kernel - 2 - offset) / r->stride + 1;
    c->margins = (conv_embedding){c->out_height, c->out_width, c->out_height, width, 0, left, 1};
    c->forward = (conv_shape){.in_channels = r->in_channels,
                              .in_height = r->in_height + 2 * p,
                              .in_width = r->in_width + 2 * p,
                              .out_channels = r->out_channels,
                              .out_height = c->out_height,
                              .out_width = c->out_width,
                              .kernel = r->kernel,
                              .stride = r->stride,
                              .border_top = p,
                              .border_bottom = p,
                              .border_left = p,
                              .border_right = p};
    c->gradient = (conv_shape){.in_channels = r->out_channels,
                               .in_height = c->out_height,
                               .in_width = width,
                               .out_channels = r->in_channels,
                               .out_height = r->in_height,
                               .out_width = r->in_width,
                               .kernel = r->kernel,
                               .stride = 1,
                               .border_left = left,
                               .border_right = width - left - c->out_width,
                               .between = r->stride - 1,
                               .above = before,
                               .before = offset};
    case_plan(c, NULL, NULL);
}

static inline size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline void case_new_by(conv_case *c, const reference_conv *r, enum numbers numbers,
                               enum conv_method method)
{
    *c = (conv_case){.r = *r, .numbers = numbers, .method = method};
    case_shapes(c);
    size_t n = (size_t)r->n_images, n_blocks = blocks_of(n), n_weights = conv_weights(&c->forward);
    c->x = floats_new(n * in_features(c), numbers);
    c->w = floats_new(n_weights, numbers);
    c->bias = floats_new((size_t)r->out_channels, numbers);
    c->gy = floats_new(n * out_features(c), numbers);
    c->in = blocks_new(c->x, n, in_features(c));
    c->gout = blocks_new(c->gy, n, out_features(c));
    c->padded = guarded_new(n_blocks * shape_features(&c->forward) * sizeof(vec));
    c->wide_gout = guarded_new(n_blocks * shape_features(&c->gradient) * sizeof(vec));
    c->out = guarded_new(n_blocks * out_features(c) * sizeof(vec));
    c->gin = guarded_new(n_blocks * in_features(c) * sizeof(vec));
    c->packed = guarded_new(c->forward_plan.n_packed * sizeof(float));
    c->flipped = guarded_new(c->gradient_plan.n_packed * sizeof(float));
    c->transformed = guarded_new(c->weights_plan.n_transformed * sizeof(float));
    size_t n_scratch = larger(c->forward_plan.n_scratch, c->gradient_plan.n_scratch);
    c->scratch = guarded_new(larger(n_scratch, c->weights_plan.n_scratch) * sizeof(vec));
    c->gw = guarded_new(n_weights * sizeof(float));
    c->gb = guarded_new((size_t)r->out_channels * sizeof(float));
}

static inline void case_new(conv_case *c, const reference_conv *r, enum numbers numbers)
{
    case_new_by(c, r, numbers, CONV_DIRECT);
}

static inline void case_free(conv_case *c)
{
    void *const all[] = {c->x,           c->w,    c->bias,      c->gy,     c->in,     c->padded,
                         c->out,         c->gout, c->wide_gout, c->gin,    c->packed, c->flipped,
                         c->transformed, c->gw,   c->gb,        c->scratch};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static inline void run_pack(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_pack(&c->forward_plan, c->w, c->packed, begin, end);
}

static inline void run_pack_flipped(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_pack_flipped(&c->gradient_plan, c->w, c->flipped, begin, end);
}

static inline void case_pack(conv_case *c)
{
    const operation operations[] = {
        {"conv_pack", run_pack, c->forward_plan.n_pack_items, c->packed},
        {"conv_pack_flipped", run_pack_flipped, c->gradient_plan.n_pack_items, c->flipped},
    };
    for (int k = 0; k < COUNT(operations); k++)
        operation_run(&operations[k], c);
}

static inline void run_pad(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_embed(&c->pad, c->in, c->padded, begin, end);
}

static inline void run_forward(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_forward(&c->forward_plan,
                 &(conv_arrays){.packed = c->packed,
                                .bias = c->bias,
                                .in = c->forward_plan.bare ? c->in : c->padded,
                                .out = c->out,
                                .scratch = c->scratch},
                 begin, end);
}

static inline void run_margins(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_embed(&c->margins, c->gout, c->wide_gout, begin, end);
}

static inline void run_input_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_forward(&c->gradient_plan,
                 &(conv_arrays){.packed = c->flipped,
                                .in = c->gradient_plan.bare ? c->gout : c->wide_gout,
                                .out = c->gin,
                                .scratch = c->scratch},
                 begin, end);
}

static inline void run_weight_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_weight_gradient(&c->weights_plan,
                         &(conv_gradient_arrays){.in = c->forward_plan.bare ? c->in : c->padded,
                                                 .gout = c->gout,
                                                 .n_images = (size_t)c->r.n_images,
                                                 .gw = c->gw,
                                                 .transformed = c->transformed,
                                                 .scratch = c->scratch},
                         begin, end);
}

static inline void run_weight_finish(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_weight_finish(&c->weights_plan, c->transformed, c->gw, begin, end);
}

static inline void run_bias_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_bias_gradient(&c->weights_plan, c->gout, (size_t)c->r.n_images, c->gb, begin, end);
}

static inline void case_run(conv_case *c)
{
    size_t n_blocks = blocks_of((size_t)c->r.n_images);
    size_t in_planes = n_blocks * (size_t)c->r.in_channels;
    size_t out_planes = n_blocks * (size_t)c->r.out_channels;
    bool finishes = c->weights_plan.n_finish > 0;
    case_pack(c);
    const operation operations[] = {
        {"conv_embed of the input", run_pad, in_planes, c->padded},
        {"conv_forward", run_forward, n_blocks * c->forward_plan.n_items, c->out},
        {"conv_embed of the gradient", run_margins, out_planes, c->wide_gout},
        {"conv_forward as input gradient", run_input_gradient, n_blocks * c->gradient_plan.n_items,
         c->gin},
        {"conv_weight_gradient", run_weight_gradient, c->weights_plan.n_items,
         finishes ? c->transformed : c->gw},
        {"conv_weight_finish", run_weight_finish, c->weights_plan.n_finish,
         finishes ? c->gw : c->transformed},
        {"conv_bias_gradient", run_bias_gradient, (size_t)c->r.out_channels, c->gb},
    };
    for (int k = 0; k < COUNT(operations); k++)
        operation_run(&operations[k], c);
}

/*
 * The bound on a sum of n terms: each of at most n additions, and the product where it is not fused,
 * rounds by at most 2^-24 of the sum of the terms' magnitudes.
 */
static inline double bound_of(int n_terms)
{
    return (n_terms + 4) * ROUNDING;
}

/*
 * Winograd's pixels of a tile all have a part in each other's error, and factors of up to 10 in the transforms: the
 * bound is one of the largest sum of magnitudes.  F(2x2,3x3) computes with whole numbers exactly.
 */
static inline bool is_f2_3x3(const conv_case *c)
{
    return c->method == CONV_F2 && c->r.kernel == 3;
}

static inline double winograd_bound(const conv_case *c, double *magnitude, size_t n)
{
    double most = 0.0;
    for (size_t k = 0; k < n; k++)
        most = fmax(most, magnitude[k]);
    for (size_t k = 0; k < n; k++)
        magnitude[k] = most;
    return is_f2_3x3(c) ? 1e-6 : 1e-5;
}

/* What one kernel should have given: with `magnitude` the sums of the terms' magnitudes. */
static inline void expect(const conv_case *c, int which, bool magnitude, double *want)
{
    const reference_conv *r = &c->r;
    size_t n = (size_t)r->n_images;
    float *x = c->x, *w = c->w, *bias = c->bias, *gy = c->gy;
    if (magnitude) {
        x = magnitudes_new(x, n * in_features(c));
        w = magnitudes_new(w, conv_weights(&c->forward));
        bias = magnitudes_new(bias, (size_t)r->out_channels);
        gy = magnitudes_new(gy, n * out_features(c));
    }
    if (which == 0)
        reference_conv_forward(r, w, bias, x, want);
    else if (which == 1)
        reference_conv_input_gradient(r, w, gy, want);
    else if (which == 2)
        reference_conv_weight_gradient(r, x, gy, want);
    else
        reference_conv_bias_gradient(r, gy, want);
    if (magnitude) {
        guarded_free(x);
        guarded_free(w);
        guarded_free(bias);
        guarded_free(gy);
    }
}

static inline void case_compare(const conv_case *c)
{
    size_t n = (size_t)c->r.n_images, n_weights = conv_weights(&c->forward);
    int taps = c->r.kernel * c->r.kernel, pixels = c->out_height * c->out_width;
    char what[200];
    struct {
        const char *name;
        float *got;
        size_t n;
        int n_terms;
    } results[] = {
        {"forward", rows_new(c->out, n, out_features(c)), n * out_features(c),
         c->r.in_channels * taps + 1},
        {"input gradient", rows_new(c->gin, n, in_features(c)), n * in_features(c),
         c->r.out_channels * taps},
        /* over the pixels of an image, then over the images */
        {"weight gradient", c->gw, n_weights, pixels + c->r.n_images},
        {"bias gradient", c->gb, (size_t)c->r.out_channels, pixels + c->r.n_images},
    };
    for (int k = 0; k < COUNT(results); k++) {
        double *want = doubles_new(results[k].n), *magnitude = NULL;
        expect(c, k, false, want);
        double bound = bound_of(results[k].n_terms);
        bool exact = c->method == CONV_DIRECT || is_f2_3x3(c);
        if (c->numbers == REALS || !exact)
            expect(c, k, true, magnitude = doubles_new(results[k].n));
        if (magnitude && c->method != CONV_DIRECT)
            bound = winograd_bound(c, magnitude, results[k].n);
        snprintf(what, sizeof what,
                 "%s %s, %d images %d x %d x %d, %d filters of %d, stride %d, padding %d",
                 conv_method_names[c->method], results[k].name, c->r.n_images, c->r.in_channels,
                 c->r.in_height, c->r.in_width, c->r.out_channels, c->r.kernel, c->r.stride,
                 c->r.padding);
        assert_near(what, results[k].got, want, magnitude, bound, results[k].n);
        guarded_free(want);
        guarded_free(magnitude);
    }
    guarded_free(results[0].got);
    guarded_free(results[1].got);
}

#endif
