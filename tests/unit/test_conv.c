/* The convolution kernels against the plain ones, over odd sizes and every shape of tile. */
#include "blocks.h"

#include "kernels/conv.h"
#include "kernels/reference.h"

static const int channel_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33};
static const int sides[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 28, 32};
static const int kernels[] = {1, 2, 3, 4, 5, 7, 11};
static const int image_counts[] = {1, VEC_WIDTH - 1, VEC_WIDTH, VEC_WIDTH + 1, 3 * VEC_WIDTH + 2};

/* One convolution with all its arrays, as the layer sets them up. */
typedef struct conv_case {
    reference_conv r;
    enum numbers numbers;
    int out_height, out_width;
    conv_embedding pad, spread; /* of the input, of the gradient of the output */
    conv_shape forward, gradient;
    conv_tiling forward_tiling, gradient_tiling;
    float *x, *w, *bias, *gy; /* row-major */
    vec *in, *padded, *out, *gout, *spread_gout, *gin;
    float *packed, *flipped, *gw, *gb;
} conv_case;

static size_t in_features(const conv_case *c)
{
    return (size_t)c->r.in_channels * (size_t)c->r.in_height * (size_t)c->r.in_width;
}

static size_t out_features(const conv_case *c)
{
    return (size_t)c->r.out_channels * (size_t)c->out_height * (size_t)c->out_width;
}

static size_t shape_features(const conv_shape *s)
{
    return (size_t)s->in_channels * (size_t)s->in_height * (size_t)s->in_width;
}

static bool fits(const reference_conv *r)
{
    return r->in_height + 2 * r->padding >= r->kernel && r->in_width + 2 * r->padding >= r->kernel;
}

/* Products of one pass over the images. */
static double work_of(const reference_conv *r)
{
    return (double)r->n_images * r->in_channels * r->out_channels * r->kernel * r->kernel *
           reference_side(r->in_height, r->kernel, r->stride, r->padding) *
           reference_side(r->in_width, r->kernel, r->stride, r->padding);
}

static void case_shapes(conv_case *c)
{
    const reference_conv *r = &c->r;
    int p = r->padding, before = r->kernel - 1 - p;
    c->out_height = reference_side(r->in_height, r->kernel, r->stride, p);
    c->out_width = reference_side(r->in_width, r->kernel, r->stride, p);
    c->pad = (conv_embedding){
        r->in_height, r->in_width, r->in_height + 2 * p, r->in_width + 2 * p, p, p, 1};
    c->spread = (conv_embedding){c->out_height,
                                 c->out_width,
                                 r->in_height + r->kernel - 1,
                                 r->in_width + r->kernel - 1,
                                 before,
                                 before,
                                 r->stride};
    c->forward = (conv_shape){r->in_channels,
                              r->in_height + 2 * p,
                              r->in_width + 2 * p,
                              r->out_channels,
                              c->out_height,
                              c->out_width,
                              r->kernel,
                              r->stride,
                              p,
                              p,
                              p,
                              p};
    int bottom = before + (c->out_height - 1) * r->stride;
    int right = before + (c->out_width - 1) * r->stride;
    c->gradient = (conv_shape){r->out_channels,
                               c->spread.to_height,
                               c->spread.to_width,
                               r->in_channels,
                               r->in_height,
                               r->in_width,
                               r->kernel,
                               1,
                               before,
                               c->spread.to_height - 1 - bottom,
                               before,
                               c->spread.to_width - 1 - right};
    c->forward_tiling = conv_tiling_choose(&c->forward);
    c->gradient_tiling = conv_tiling_choose(&c->gradient);
}

static void case_new(conv_case *c, const reference_conv *r, enum numbers numbers)
{
    *c = (conv_case){.r = *r, .numbers = numbers};
    case_shapes(c);
    size_t n = (size_t)r->n_images, n_blocks = blocks_of(n), n_weights = conv_weights(&c->forward);
    c->x = floats_new(n * in_features(c), numbers);
    c->w = floats_new(n_weights, numbers);
    c->bias = floats_new((size_t)r->out_channels, numbers);
    c->gy = floats_new(n * out_features(c), numbers);
    c->in = blocks_new(c->x, n, in_features(c));
    c->gout = blocks_new(c->gy, n, out_features(c));
    c->padded = guarded_new(n_blocks * shape_features(&c->forward) * sizeof(vec));
    c->spread_gout = guarded_new(n_blocks * shape_features(&c->gradient) * sizeof(vec));
    c->out = guarded_new(n_blocks * out_features(c) * sizeof(vec));
    c->gin = guarded_new(n_blocks * in_features(c) * sizeof(vec));
    c->packed = guarded_new(n_weights * sizeof(float));
    c->flipped = guarded_new(n_weights * sizeof(float));
    c->gw = guarded_new(n_weights * sizeof(float));
    c->gb = guarded_new((size_t)r->out_channels * sizeof(float));
}

static void case_free(conv_case *c)
{
    void *const all[] = {c->x,    c->w,           c->bias, c->gy,     c->in,      c->padded, c->out,
                         c->gout, c->spread_gout, c->gin,  c->packed, c->flipped, c->gw,     c->gb};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_pad(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_embed(&c->pad, c->in, c->padded, begin, end);
}

static void run_forward(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_forward(&c->forward, &c->forward_tiling, c->packed, c->bias, c->padded, c->out, begin,
                 end);
}

static void run_spread(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_embed(&c->spread, c->gout, c->spread_gout, begin, end);
}

static void run_input_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_forward(&c->gradient, &c->gradient_tiling, c->flipped, NULL, c->spread_gout, c->gin, begin,
                 end);
}

static void run_weight_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_weight_gradient(&c->forward, c->padded, c->gout, (size_t)c->r.n_images, c->gw, begin, end);
}

static void run_bias_gradient(void *arg, size_t begin, size_t end)
{
    conv_case *c = arg;
    conv_bias_gradient(&c->forward, c->gout, (size_t)c->r.n_images, c->gb, begin, end);
}

static void case_run(conv_case *c)
{
    size_t n_blocks = blocks_of((size_t)c->r.n_images);
    size_t in_planes = n_blocks * (size_t)c->r.in_channels;
    size_t out_planes = n_blocks * (size_t)c->r.out_channels;
    conv_pack(&c->forward, &c->forward_tiling, c->w, c->packed);
    conv_pack_flipped(&c->gradient, &c->gradient_tiling, c->w, c->flipped);
    const operation operations[] = {
        {"conv_embed of the input", run_pad, in_planes, c->padded},
        {"conv_forward", run_forward, n_blocks * (size_t)c->out_height, c->out},
        {"conv_embed of the gradient", run_spread, out_planes, c->spread_gout},
        {"conv_forward as input gradient", run_input_gradient, n_blocks * (size_t)c->r.in_height,
         c->gin},
        {"conv_weight_gradient", run_weight_gradient, conv_gradient_items(&c->forward), c->gw},
        {"conv_bias_gradient", run_bias_gradient, (size_t)c->r.out_channels, c->gb},
    };
    for (int k = 0; k < COUNT(operations); k++)
        operation_run(&operations[k], c);
}

/*
 * The bound on a sum of n terms: each of at most n additions, and the product where it is not fused,
 * rounds by at most 2^-24 of the sum of the terms' magnitudes.
 */
static double bound_of(int n_terms)
{
    return (n_terms + 4) * ROUNDING;
}

/* What one kernel should have given: with `magnitude` the sums of the terms' magnitudes. */
static void expect(const conv_case *c, int which, bool magnitude, double *want)
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

static void case_compare(const conv_case *c)
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
        if (c->numbers == REALS)
            expect(c, k, true, magnitude = doubles_new(results[k].n));
        snprintf(what, sizeof what,
                 "%s, %d images %d x %d x %d, %d filters of %d, stride %d, padding %d",
                 results[k].name, c->r.n_images, c->r.in_channels, c->r.in_height, c->r.in_width,
                 c->r.out_channels, c->r.kernel, c->r.stride, c->r.padding);
        assert_near(what, results[k].got, want, magnitude, bound_of(results[k].n_terms),
                    results[k].n);
        guarded_free(want);
        guarded_free(magnitude);
    }
    guarded_free(results[0].got);
    guarded_free(results[1].got);
}

static void check(const reference_conv *r, enum numbers numbers)
{
    conv_case c;
    case_new(&c, r, numbers);
    case_run(&c);
    case_compare(&c);
    case_free(&c);
}

static int any_of(const int *list, int n)
{
    return list[draw(0, n - 1)];
}

/* Every kernel, stride and padding, each with a dozen draws of everything else. */
static void test_kernel_stride_padding(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(kernels); k++)
        for (int stride = 1; stride <= 3; stride++)
            for (int padding = 0; padding < kernels[k]; padding++)
                for (int n = 0; n < 12;) {
                    reference_conv r = {
                        .n_images = any_of(image_counts, COUNT(image_counts)),
                        .in_channels = any_of(channel_counts, COUNT(channel_counts)),
                        .in_height = any_of(sides, COUNT(sides)),
                        .in_width = any_of(sides, COUNT(sides)),
                        .out_channels = any_of(channel_counts, COUNT(channel_counts)),
                        .kernel = kernels[k],
                        .stride = stride,
                        .padding = padding};
                    if (!fits(&r) || work_of(&r) > 2e5)
                        continue;
                    check(&r, n++ % 4 == 0 ? REALS : INTEGERS);
                }
}

static void test_channels(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(channel_counts); i++)
        for (int o = 0; o < COUNT(channel_counts); o++)
            check(&(reference_conv){.n_images = image_counts[(i + o) % COUNT(image_counts)],
                                    .in_channels = channel_counts[i],
                                    .in_height = 4,
                                    .in_width = 5,
                                    .out_channels = channel_counts[o],
                                    .kernel = 3,
                                    .stride = 1},
                  INTEGERS);
}

static void test_sides(void **state)
{
    (void)state;
    for (int y = 0; y < COUNT(sides); y++)
        for (int x = 0; x < COUNT(sides); x++)
            for (int kernel = 1; kernel <= 5; kernel += 4)
                check(&(reference_conv){.n_images = VEC_WIDTH - 1,
                                        .in_channels = 2,
                                        .in_height = sides[y],
                                        .in_width = sides[x],
                                        .out_channels = 3,
                                        .kernel = kernel,
                                        .stride = 1,
                                        .padding = kernel / 2},
                      INTEGERS);
}

/* The paper's two layers and one with many channels, at their full size. */
static void test_full_size(void **state)
{
    (void)state;
    static const reference_conv shapes[] = {
        {VEC_WIDTH + 1, 3, 32, 32, 6, 5, 1, 0},
        {VEC_WIDTH + 1, 6, 14, 14, 16, 5, 1, 0},
        {2, 33, 28, 28, 17, 3, 1, 1},
        {1, 17, 32, 32, 9, 11, 2, 5},
    };
    for (int k = 0; k < COUNT(shapes); k++) {
        check(&shapes[k], REALS);
        check(&shapes[k], INTEGERS);
    }
}

/* All results of a forward pass and input gradient under these tiles, compared with those in c. */
static void check_tiling(conv_case *c, conv_tiling tiling, const vec *out, const vec *gin)
{
    size_t n_blocks = blocks_of((size_t)c->r.n_images);
    c->forward_tiling = c->gradient_tiling = tiling;
    c->gradient_tiling.chunk = (tiling.chunk - 1) % c->r.out_channels + 1;
    guarded_fill(c->out);
    guarded_fill(c->gin);
    case_run(c);
    if (memcmp(c->out, out, n_blocks * out_features(c) * sizeof *out) != 0 ||
        memcmp(c->gin, gin, n_blocks * in_features(c) * sizeof *gin) != 0)
        fail_msg(
            "tiles of %d channels x %d pixels, %d in channels at a time: other bits (%d filters of "
            "%d, stride %d, width %d)",
            tiling.channels, tiling.pixels, tiling.chunk, c->r.out_channels, c->r.kernel,
            c->r.stride, c->r.in_width);
}

/* Every tiling that any shape gets, and every smaller one, on one shape: always the same bits. */
static void check_tilings(const reference_conv *r, bool legal[16][16])
{
    conv_case c;
    case_new(&c, r, REALS);
    case_run(&c);
    case_compare(&c);
    vec *out = c.out, *gin = c.gin;
    size_t n_blocks = blocks_of((size_t)r->n_images);
    c.out = guarded_new(n_blocks * out_features(&c) * sizeof(vec));
    c.gin = guarded_new(n_blocks * in_features(&c) * sizeof(vec));
    conv_tiling tiling = c.forward_tiling;
    for (tiling.channels = 1; tiling.channels < 16; tiling.channels++)
        for (tiling.pixels = 1; tiling.pixels < 16; tiling.pixels++)
            for (tiling.chunk = 1; tiling.chunk <= r->in_channels; tiling.chunk++)
                if (legal[tiling.channels][tiling.pixels])
                    check_tiling(&c, tiling, out, gin);
    case_free(&c);
    guarded_free(out);
    guarded_free(gin);
}

/* Which tiles the kernel has: those it chooses itself, and so all that are no larger in either way. */
static void find_tiles(bool legal[16][16])
{
    for (int i = 0; i < COUNT(kernels); i++)
        for (int stride = 1; stride <= 3; stride++)
            for (int channels = 1; channels <= 64; channels++)
                for (int width = 1; width <= 64; width++) {
                    int in = (width - 1) * stride + kernels[i];
                    conv_shape s = {4, in, in, channels, width, width, kernels[i], stride, 0, 0, 0, 0};
                    conv_tiling tiling = conv_tiling_choose(&s);
                    assert_in_range(tiling.channels, 1, 15);
                    assert_in_range(tiling.pixels, 1, 15);
                    assert_in_range(tiling.chunk, 1, 4);
                    for (int m = 1; m <= tiling.channels; m++)
                        for (int x = 1; x <= tiling.pixels; x++)
                            legal[m][x] = true;
                }
}

static void test_tiles(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 7, 11}, filters[] = {1, 3, 7, 10};
    bool legal[16][16] = {{false}};
    find_tiles(legal);
    for (int k = 0; k < COUNT(kernels); k++)
        for (int stride = 1; stride <= 2; stride++)
            for (int j = 0; j < COUNT(widths); j++)
                check_tilings(&(reference_conv){.n_images = 1,
                                                .in_channels = 3,
                                                .in_height = kernels[k] + 1,
                                                .in_width = (widths[j] - 1) * stride + kernels[k],
                                                .out_channels = filters[(j + k) % COUNT(filters)],
                                                .kernel = kernels[k],
                                                .stride = stride},
                              legal);
}

/* Leaving out the products of a border of zeros changes no value. */
static void test_border(void **state)
{
    (void)state;
    for (int kernel = 2; kernel <= 7; kernel++)
        for (int padding = 1; padding < kernel; padding++)
            for (int side = 1; side <= 5; side++) {
                reference_conv r = {3, 2, side, side + 1, 5, kernel, 1 + side % 2, padding};
                conv_case c;
                if (!fits(&r))
                    continue;
                case_new(&c, &r, REALS);
                case_run(&c);
                float *with = rows_new(c.out, 3, out_features(&c));
                c.forward.border_top = c.forward.border_bottom = 0;
                case_run(&c);
                for (size_t k = 0; k < 3 * out_features(&c); k++)
                    assert_true(with[k] == block_element(c.out, out_features(&c),
                                                         k / out_features(&c),
                                                         k % out_features(&c)));
                guarded_free(with);
                case_free(&c);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_stride_padding),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_full_size),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
