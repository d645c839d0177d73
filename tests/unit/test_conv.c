/* The convolution kernels against the plain ones, over odd sizes and every shape of tile. */
#include "conv_case.h"

#include <limits.h>

static const int channel_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33};
static const int sides[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 28, 32};
static const int kernels[] = {1, 2, 3, 4, 5, 7, 11};
static const int image_counts[] = {1, VEC_WIDTH - 1, VEC_WIDTH, VEC_WIDTH + 1, 3 * VEC_WIDTH + 2};

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

/* Every kernel, stride and padding, each with ten draws of everything else. */
static void test_kernel_stride_padding(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(kernels); k++)
        for (int stride = 1; stride <= 3; stride++)
            for (int padding = 0; padding < kernels[k]; padding++)
                for (int n = 0; n < enough_of(10);) {
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
    conv_tiling gradient = tiling;
    gradient.chunk = (tiling.chunk - 1) % c->r.out_channels + 1;
    gradient.strip = tiling.strip = 1 + tiling.chunk % 3;
    case_plan(c, &tiling, &gradient);
    guarded_fill(c->out);
    guarded_fill(c->gin);
    case_pack(c);
    run_forward(c, 0, n_blocks * (size_t)c->out_height);
    run_input_gradient(c, 0, n_blocks * (size_t)c->r.in_height);
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
    conv_tiling tiling = c.forward_plan.tiling;
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
            for (int channels = 1; channels <= 24; channels++)
                for (int width = 1; width <= 24; width++) {
                    int in = (width - 1) * stride + kernels[i];
                    conv_shape s = {.in_channels = 4,
                                    .in_height = in,
                                    .in_width = in,
                                    .out_channels = channels,
                                    .out_height = width,
                                    .out_width = width,
                                    .kernel = kernels[i],
                                    .stride = stride};
                    conv_tiling tiling = conv_tiling_choose(&s);
                    assert_in_range(tiling.channels, 1, 15);
                    assert_in_range(tiling.pixels, 1, 15);
                    assert_in_range(tiling.chunk, 1, 4);
                    assert_in_range(tiling.strip, 1, INT_MAX);
                    for (int m = 1; m <= tiling.channels; m++)
                        for (int x = 1; x <= tiling.pixels; x++)
                            legal[m][x] = true;
                }
}

static void test_tiles(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 7, 9, 11, 15, 19}, filters[] = {1, 3, 7, 10};
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
                c.forward.border_left = c.forward.border_right = 0;
                case_plan(&c, NULL, NULL);
                case_run(&c);
                for (size_t k = 0; k < 3 * out_features(&c); k++)
                    assert_true(with[k] == block_element(c.out, out_features(&c),
                                                         k / out_features(&c),
                                                         k % out_features(&c)));
                guarded_free(with);
                case_free(&c);
            }
}

/* The same bits as with all zeros in place: those that the stride puts between neighbours, and those around them. */
static void check_zeros_left_out(const reference_conv *r)
{
    conv_case c;
    case_new(&c, r, REALS);
    case_run(&c);
    case_compare(&c);
    size_t n_blocks = blocks_of((size_t)r->n_images), n = n_blocks * in_features(&c);
    int before = r->kernel - 1 - r->padding;
    vec *out_of_all = guarded_new(n * sizeof(vec)), *left_out = c.gin;
    c.margins.to_height = r->in_height + r->kernel - 1;
    c.margins.to_width = r->in_width + r->kernel - 1;
    c.margins.top = c.margins.left = before;
    c.margins.stride = r->stride;
    c.gradient = (conv_shape){.in_channels = r->out_channels,
                              .in_height = c.margins.to_height,
                              .in_width = c.margins.to_width,
                              .out_channels = r->in_channels,
                              .out_height = r->in_height,
                              .out_width = r->in_width,
                              .kernel = r->kernel,
                              .stride = 1};
    guarded_free(c.wide_gout);
    c.wide_gout = guarded_new(n_blocks * shape_features(&c.gradient) * sizeof(vec));
    c.gin = out_of_all;
    case_plan(&c, NULL, NULL);
    case_run(&c);
    assert_memory_equal(left_out, out_of_all, n * sizeof(vec));
    guarded_free(left_out);
    case_free(&c);
}

static void test_zeros_left_out(void **state)
{
    (void)state;
    for (int kernel = 1; kernel <= 5; kernel++)
        for (int stride = 1; stride <= 7; stride++)
            for (int padding = 0; padding < kernel; padding++)
                for (int side = 1; side <= 13; side += 3) {
                    reference_conv r = {2, 3, side, side + 1, 7, kernel, stride, padding};
                    if (fits(&r))
                        check_zeros_left_out(&r);
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
        cmocka_unit_test(test_zeros_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
