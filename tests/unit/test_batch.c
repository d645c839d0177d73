/* The batch loader against the plain formula, over odd sizes. */
#include "base/memory.h"
#include "base/random.h"
#include "data/batch.h"
#include "kernels/simd.h"
#include "plain_rule.h"

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

/* What the rule should give, from the bytes of an image of the tensor's shape. */
typedef struct expectation {
    input_rule rule;
    const float *mean, *deviation; /* NULL: 0.5 */
} expectation;

static double wanted(const expectation *e, int byte, size_t channel)
{
    double mean = e->mean ? (double)e->mean[channel] : 0.5;
    double deviation = e->deviation ? (double)e->deviation[channel] : 0.5;
    return (byte / 255.0 - mean) / deviation;
}

/* One block from `at` on of a batch: its images begin at `first`, or are those of the indices. */
static void check_block(const expectation *e, const dataset *set, const samples *of, size_t at,
                        size_t n)
{
    error err = {0};
    size_t pixels = image_bytes(set->shape), plane = pixels / (size_t)set->shape.channels;
    float *x = memory_new(pixels + 1, VEC_WIDTH * sizeof *x, &err);
    uint16_t labels[VEC_WIDTH + 1];
    assert_non_null(x);
    for (size_t i = 0; i < (pixels + 1) * VEC_WIDTH; i++)
        x[i] = 99;
    for (size_t lane = 0; lane <= VEC_WIDTH; lane++)
        labels[lane] = 9999;
    batch_load_block(&e->rule, set, of, at, n, x, labels);
    for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
        size_t k = at + (lane < n ? lane : 0), image = of->indices ? of->indices[k] : of->first + k;
        for (size_t p = 0; p < pixels; p++) {
            float got = x[p * VEC_WIDTH + lane];
            double want = wanted(e, set->images[image * pixels + p], p / plane);
            /* mean 0.5 is exact; of others the middle and the difference are rounded, too */
            double near = e->mean ? 4.0 / (double)e->deviation[p / plane] : fabs(want);
            if (lane < n)
                assert_true(fabs((double)got - want) <= FLT_EPSILON * near);
            else
                assert_true(got == 0 && !signbit(got));
        }
        assert_int_equal(labels[lane], lane < n ? set->labels[image] : 9999);
        assert_true(x[pixels * VEC_WIDTH + lane] == 99);
    }
    memory_free(x);
}

static void check_blocks(const expectation *e, const dataset *set)
{
    uint32_t indices[3 * VEC_WIDTH];
    for (size_t i = 0; i < COUNT(indices); i++)
        indices[i] = (uint32_t)((i * 7 + 5) % set->n);
    indices[0] = (uint32_t)(set->n - 1);
    const samples all = {.n = set->n}, some = {.indices = indices, .n = COUNT(indices)};
    for (size_t n = 1; n <= VEC_WIDTH; n++) {
        const samples last = {.first = set->n - n, .n = n};
        check_block(e, set, &all, 0, n);
        check_block(e, set, &last, 0, n);
        check_block(e, set, &all, VEC_WIDTH, n);
        check_block(e, set, &some, VEC_WIDTH, n);
    }
}

static void batch_blocks_equal_the_plain_formula(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(shapes); k++) {
        dataset set = random_set(shapes[k], 2 * VEC_WIDTH + 1);
        expectation e = {.mean = NULL};
        e.rule = plain_rule(set.shape);
        check_blocks(&e, &set);
        input_rule_release(&e.rule);
        dataset_release(&set);
    }
}

/* Channels that are alike are one run, whatever stands between them and the others. */
static void batch_treats_each_channel_in_its_way(void **state)
{
    (void)state;
    static float mean[] = {0.49F, 0.49F, 0.1F, 0.49F, 0.49F};
    static float deviation[] = {0.25F, 0.25F, 0.25F, 0.25F, 0.5F};
    static const int n_runs[] = {1, 1, 2, 3, 4};
    for (int channels = 1; channels <= 5; channels++)
        for (int side = 1; side < 10; side++) {
            error err = {0};
            dataset set = random_set((image_shape){channels, side, side, 10}, 2 * VEC_WIDTH + 1);
            expectation e = {.mean = mean, .deviation = deviation};
            const input_values values = {set.shape, mean, deviation};
            assert_true(input_rule_init(&e.rule, &values, &err));
            assert_int_equal(e.rule.n_runs, n_runs[channels - 1]);
            check_blocks(&e, &set);
            input_rule_release(&e.rule);
            dataset_release(&set);
        }
}

/* The bits of every weight depend on these. */
static void batch_converts_every_byte(void **state)
{
    (void)state;
    error err = {0};
    dataset set;
    expectation e = {.mean = NULL};
    const samples all = {.n = VEC_WIDTH};
    float x[256 * VEC_WIDTH] __attribute__((aligned(sizeof(vec))));
    uint16_t labels[VEC_WIDTH];
    assert_true(dataset_init(&set, (image_shape){1, 16, 16, 10}, VEC_WIDTH, &err));
    for (size_t i = 0; i < VEC_WIDTH * 256; i++)
        set.images[i] = (uint8_t)(i % 256);
    e.rule = plain_rule(set.shape);
    batch_load_block(&e.rule, &set, &all, 0, VEC_WIDTH, x, labels);
    for (int byte = 0; byte < 256; byte++)
        assert_true(x[byte * VEC_WIDTH + 1] == ((float)byte - 127.5F) * (2.0F / 255.0F));
    check_block(&e, &set, &all, 0, VEC_WIDTH);
    input_rule_release(&e.rule);
    dataset_release(&set);
}

/* ---- augmentation ------------------------------------------------------------------------------------ */

enum { CROP = 5 };

/* A window of CROP x CROP at a place that chance gives. */
static void crop(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                 uint8_t *made)
{
    uint64_t stream = random_stream(RANDOM_AUGMENT, 0, key.epoch),
             index = (uint64_t)key.image << 32;
    size_t width = (size_t)from.width, height = (size_t)from.height;
    size_t y = (size_t)random_below(key.seed, stream, index, height - CROP + 1);
    size_t x = (size_t)random_below(key.seed, stream, index + 1, width - CROP + 1);
    assert_true(self->height == CROP && self->width == CROP);
    for (size_t c = 0; c < (size_t)from.channels; c++)
        for (size_t row = 0; row < CROP; row++, made += CROP)
            memcpy(made, image + (c * height + y + row) * width + x, CROP);
}

static const augmentation cropping = {.height = CROP, .width = CROP, .apply = crop};

/* A set of images that are already what the crop makes of those of another. */
static dataset cropped(const dataset *set, const samples *of, uint64_t seed)
{
    error err = {0};
    dataset made;
    const image_shape shape = {set->shape.channels, CROP, CROP, 10};
    assert_true(dataset_init(&made, shape, of->n, &err));
    for (size_t k = 0; k < of->n; k++) {
        size_t i = of->indices[k];
        crop(&cropping, (input_key){seed, of->epoch, set->numbers[i]}, set->shape,
             set->images + i * image_bytes(set->shape), made.images + k * image_bytes(shape));
        made.labels[k] = set->labels[i];
    }
    return made;
}

static void load_batch(const input_rule *rule, const dataset *set, const samples *of, float *x,
                       uint16_t *labels)
{
    for (size_t first = 0; first < of->n; first += VEC_WIDTH)
        batch_load_block(rule, set, of, first,
                         of->n - first < VEC_WIDTH ? of->n - first : VEC_WIDTH,
                         x + first * image_bytes(rule->to), labels + first);
}

/* The tensor has the shape of what is made; who draws an image, and when, changes nothing. */
static void batch_augments_by_seed_epoch_and_image_alone(void **state)
{
    (void)state;
    enum { N = VEC_WIDTH + 3, FLOATS = 2 * CROP * CROP * 2 * VEC_WIDTH };
    error err = {0};
    dataset set = random_set((image_shape){2, 9, 8, 10}, 64);
    for (size_t i = 0; i < set.n; i++)
        set.numbers[i] = (uint32_t)(1000 * i + 7); /* a shard of something larger */
    uint32_t indices[N];
    for (size_t k = 0; k < N; k++)
        indices[k] = (uint32_t)(k * 13 % set.n);
    const samples of = {.indices = indices, .n = N, .epoch = 3}, in_order = {.n = N};
    dataset made = cropped(&set, &of, 17);
    input_rule rule, plain;
    rule = plain_rule(set.shape);
    assert_true(input_rule_augment(&rule, &cropping, 17, N, &err));
    assert_int_equal(rule.to.height, CROP);
    assert_int_equal(rule.to.width, CROP);
    assert_int_equal(rule.to.channels, 2);
    plain = plain_rule(made.shape);
    static float got[FLOATS] __attribute__((aligned(sizeof(vec)))),
        want[FLOATS] __attribute__((aligned(sizeof(vec))));
    uint16_t labels[2][N];
    load_batch(&rule, &set, &of, got, labels[0]);
    load_batch(&plain, &made, &in_order, want, labels[1]);
    assert_memory_equal(got, want, sizeof got);
    assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
    const samples later = {.indices = indices, .n = N, .epoch = 4};
    load_batch(&rule, &set, &later, got, labels[0]);
    assert_memory_not_equal(got, want, sizeof got);
    input_rule_release(&rule);
    input_rule_release(&plain);
    dataset_release(&made);
    dataset_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_blocks_equal_the_plain_formula),
        cmocka_unit_test(batch_treats_each_channel_in_its_way),
        cmocka_unit_test(batch_converts_every_byte),
        cmocka_unit_test(batch_augments_by_seed_epoch_and_image_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
