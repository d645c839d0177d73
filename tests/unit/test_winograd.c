/* Winograd's convolutions against the plain ones: odd sides, paddings, ragged blocks, runs that end anywhere. */
#include "conv_case.h"

static const struct way {
    enum conv_method method;
    int kernel;
} ways[] = {{CONV_F2, 3}, {CONV_F4, 3}, {CONV_F2, 5}};
static const int channel_counts[] = {1, 2, 3, 4, 5, 6, 7, 13, 17, 33};
static const int sides[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 19};
static const int image_counts[] = {
    1, 2, VEC_WIDTH - 1, VEC_WIDTH, VEC_WIDTH + 1, 3 * VEC_WIDTH + 2, 15, 16, 17, 33};

static void check(const reference_conv *r, enum numbers numbers, enum conv_method method)
{
    conv_case c;
    case_new_by(&c, r, numbers, method);
    case_run(&c);
    case_compare(&c);
    case_free(&c);
}

static int any_of(const int *list, int n)
{
    return list[draw(0, n - 1)];
}

static void test_any_shape(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(ways); k++)
        for (int padding = 0; padding < ways[k].kernel; padding++)
            for (int n = 0; n < enough_of(60);) {
                reference_conv r = {.n_images = any_of(image_counts, COUNT(image_counts)),
                                    .in_channels = any_of(channel_counts, COUNT(channel_counts)),
                                    .in_height = any_of(sides, COUNT(sides)),
                                    .in_width = any_of(sides, COUNT(sides)),
                                    .out_channels = any_of(channel_counts, COUNT(channel_counts)),
                                    .kernel = ways[k].kernel,
                                    .stride = 1,
                                    .padding = padding};
                if (!fits(&r) || work_of(&r) > 1e6)
                    continue;
                check(&r, n++ % 2 == 0 ? REALS : INTEGERS, ways[k].method);
            }
}

/* Several runs of pairs, and groups of out channels; on a Pi 4 the third one's weights come from memory;
 * the pixels of the last one leave the level-2 cache of any target. */
static void test_larger(void **state)
{
    static const reference_conv shapes[] = {{16, 3, 23, 26, 5, 3, 1, 1},
                                            {35, 4, 17, 17, 6, 3, 1, 0},
                                            {5, 40, 12, 12, 130, 3, 1, 1},
                                            {5, 180, 7, 6, 31, 3, 1, 1}};
    (void)state;
    for (int k = 0; k < COUNT(ways); k++)
        for (int n = 0; n < COUNT(shapes); n++) {
            reference_conv r = shapes[n];
            r.kernel = ways[k].kernel;
            check(&r, REALS, ways[k].method);
        }
}

/* Added to what stands there, the bias left out. */
static void test_add(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(ways); k++) {
        conv_case c;
        case_new_by(&c, &(reference_conv){VEC_WIDTH + 1, 5, 7, 6, 4, ways[k].kernel, 1, 1}, REALS,
                    ways[k].method);
        memset(c.bias, 0, (size_t)c.r.out_channels * sizeof *c.bias);
        case_run(&c);
        size_t n = blocks_of((size_t)c.r.n_images) * out_features(&c);
        vec *once = guarded_new(n * sizeof *once);
        memcpy(once, c.out, n * sizeof *once);
        conv_forward(
            &c.forward_plan,
            &(conv_arrays){
                .packed = c.packed, .in = c.in, .out = c.out, .add = true, .scratch = c.scratch},
            0, blocks_of((size_t)c.r.n_images) * c.forward_plan.n_items);
        for (size_t i = 0; i < n; i++)
            for (int lane = 0; lane < VEC_WIDTH; lane++)
                assert_true(c.out[i][lane] == 2.0F * once[i][lane]);
        guarded_free(once);
        case_free(&c);
    }
}

/* The gradient of the weights: for more threads there are more items where it takes that, and the bits are the same. */
static void test_threads(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(ways); k++) {
        conv_case c;
        case_new_by(&c, &(reference_conv){19, 15, 9, 9, 7, ways[k].kernel, 1, 1}, REALS,
                    ways[k].method);
        case_run(&c);
        size_t n = conv_weights(&c.forward), most = 0;
        float *once = guarded_new(n * sizeof *once);
        memcpy(once, c.gw, n * sizeof *once);
        for (int n_threads = 2; n_threads <= 16; n_threads++) {
            c.weights_plan = conv_gradient_plan_make(&c.forward, ways[k].method, n_threads);
            most = c.weights_plan.n_items > most ? c.weights_plan.n_items : most;
            if (n_threads == 4 || n_threads == 8) /* cores of a machine */
                assert_int_equal(c.weights_plan.n_items, n_threads);
            guarded_fill(c.gw);
            run_weight_gradient(&c, 0, c.weights_plan.n_items);
            run_weight_finish(&c, 0, c.weights_plan.n_finish);
            assert_memory_equal(c.gw, once, n * sizeof *once);
        }
        assert_int_equal(most, 8); /* two for each four in channels */
        guarded_free(once);
        case_free(&c);
    }
}

/* As docs/performance.md says of their errors, against sums in double: of 64 channels, of the largest result. */
static void test_accuracy(void **state)
{
    /* forward, gradient */
    static const double limits[][2] = {{1e-6, 2e-6}, {1.6e-5, 1.6e-5}, {1.6e-5, 1.6e-5}};
    (void)state;
    for (int k = 0; k < COUNT(ways); k++) {
        conv_case c;
        case_new_by(&c, &(reference_conv){4, 64, 16, 16, 16, ways[k].kernel, 1, 1}, REALS,
                    ways[k].method);
        case_run(&c);
        size_t n = (size_t)c.r.n_images * out_features(&c), n_w = conv_weights(&c.forward);
        float *got[] = {rows_new(c.out, (size_t)c.r.n_images, out_features(&c)), c.gw};
        size_t counts[] = {n, n_w};
        for (int which = 0; which < 2; which++) {
            double *want = doubles_new(counts[which]), most = 0.0, wrong = 0.0;
            expect(&c, which == 0 ? 0 : 2, false, want);
            for (size_t i = 0; i < counts[which]; i++) {
                most = fmax(most, fabs(want[i]));
                wrong = fmax(wrong, fabs((double)got[which][i] - want[i]));
            }
            if (!(wrong <= limits[k][which] * most))
                fail_msg("%s, kernel %d: error %.2g of %.2g", conv_method_names[ways[k].method],
                         ways[k].kernel, wrong, most);
            guarded_free(want);
        }
        guarded_free(got[0]);
        case_free(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_shape), cmocka_unit_test(test_larger),
        cmocka_unit_test(test_add),       cmocka_unit_test(test_threads),
        cmocka_unit_test(test_accuracy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
