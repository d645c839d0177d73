/* The batch loader against the plain formula, over odd sizes. */
#include "base/memory.h"
#include "base/random.h"
#include "data/batch.h"
#include "kernels/simd.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const image_shape shapes[] = {{1, 1, 1, 10},   {1, 3, 5, 10},  {1, 4, 4, 10},
                                     {1, 1, 17, 10},  {2, 5, 7, 10},  {3, 11, 13, 10},
                                     {1, 28, 28, 10}, {3, 32, 32, 10}};

static dataset random_set(image_shape shape, size_t n)
{
    error err = {0};
    dataset set;
    assert_true(dataset_init(&set, shape, n, &err));
    for (size_t i = 0; i < n * image_bytes(shape); i++)
        set.images[i] = (uint8_t)random_u64(1, random_stream(RANDOM_TEST, 0, 0), i);
    for (size_t i = 0; i < n; i++)
        set.labels[i] = (uint16_t)(i * 257);
    return set;
}

static void check_block(const dataset *set, const uint32_t *indices, size_t first, size_t n)
{
    error err = {0};
    size_t pixels = image_bytes(set->shape);
    float *x = memory_new(pixels + 1, VEC_WIDTH * sizeof *x, &err);
    uint16_t labels[VEC_WIDTH + 1];
    assert_non_null(x);
    for (size_t i = 0; i < (pixels + 1) * VEC_WIDTH; i++)
        x[i] = 99;
    for (size_t lane = 0; lane <= VEC_WIDTH; lane++)
        labels[lane] = 9999;
    batch_load_block(set, indices, first, n, x, labels);
    for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
        size_t image = lane >= n ? 0 : indices ? indices[lane] : first + lane;
        for (size_t p = 0; p < pixels; p++) {
            float got = x[p * VEC_WIDTH + lane];
            double want = (set->images[image * pixels + p] / 255.0 - 0.5) / 0.5;
            if (lane < n)
                assert_true(fabs(got - want) <= FLT_EPSILON * fabs(want));
            else
                assert_true(got == 0 && !signbit(got));
        }
        assert_int_equal(labels[lane], lane < n ? set->labels[image] : 9999);
        assert_true(x[pixels * VEC_WIDTH + lane] == 99);
    }
    memory_free(x);
}

static void batch_blocks_equal_the_plain_formula(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(shapes); k++) {
        dataset set = random_set(shapes[k], 2 * VEC_WIDTH + 1);
        uint32_t indices[VEC_WIDTH];
        for (size_t i = 0; i < VEC_WIDTH; i++)
            indices[i] = (uint32_t)((i * 7 + 5) % set.n);
        indices[0] = (uint32_t)(set.n - 1);
        for (size_t n = 1; n <= VEC_WIDTH; n++) {
            check_block(&set, NULL, 0, n);
            check_block(&set, NULL, set.n - n, n);
            check_block(&set, indices, 3, n);
        }
        dataset_release(&set);
    }
}

static void batch_converts_every_byte(void **state)
{
    (void)state;
    error err = {0};
    dataset set;
    assert_true(dataset_init(&set, (image_shape){1, 16, 17, 10}, VEC_WIDTH, &err));
    for (size_t i = 0; i < VEC_WIDTH * 272; i++)
        set.images[i] = (uint8_t)(i % 272);
    check_block(&set, NULL, 0, VEC_WIDTH);
    dataset_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_blocks_equal_the_plain_formula),
        cmocka_unit_test(batch_converts_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
