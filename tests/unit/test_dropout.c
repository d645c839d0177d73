/* Dropout: which elements, and how many; the generator's known answers; forward and backward alike. */
#include "blocks.h"

#include "kernels/dropout.h"
#include "kernels/reference.h"

/* From the authors' list of known answers, for 13 rounds. */
static void test_known_answers(void **state)
{
    (void)state;
    static const uint32_t list[2][2][4] = {
        {{0, 0, 0, 0}, {0x531c7e4f, 0x39491ee5, 0x2c855a92, 0x3d6abf9a}},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0xc4189358, 0x1c9cc83a, 0xd5881c67, 0x6a0a89e0}},
    };
    for (int k = 0; k < 2; k++) {
        dropout_lanes counter[4], words[4];
        for (int w = 0; w < 4; w++)
            counter[w] = list[k][0][w] - (dropout_lanes){0};
        dropout_words(list[k][0], counter, words);
        for (int w = 0; w < 4; w++)
            for (int lane = 0; lane < VEC_WIDTH; lane++)
                assert_int_equal(words[w][lane], list[k][1][w]);
    }
}

typedef struct dropout_case {
    dropout of;
    dropout_batch in;
    size_t n_images, n_groups; /* of all blocks */
    uint32_t *images;
    float *rows;
    vec *x, *y, *gx;
    ivec *kept;
    bool add;
} dropout_case;

static void run_forward(void *arg, size_t begin, size_t end)
{
    dropout_case *c = arg;
    dropout_forward(&c->of, &c->in, c->x, c->y, c->kept, begin, end);
}

/* The gradient of y is x here: so the gradient of x must be y. */
static void run_backward(void *arg, size_t begin, size_t end)
{
    dropout_case *c = arg;
    dropout_backward(&c->of, c->kept, c->x, c->gx, false, begin, end);
}

static void case_new(dropout_case *c, size_t n_images, size_t features, double p, uint32_t layer)
{
    size_t n_blocks = blocks_of(n_images), bytes = n_blocks * features * sizeof(vec);
    *c = (dropout_case){.of = dropout_make(features, p, layer), .n_images = n_images};
    c->images = guarded_new(n_blocks * VEC_WIDTH * sizeof *c->images);
    for (size_t k = 0; k < n_blocks * VEC_WIDTH; k++)
        c->images[k] = (uint32_t)draw(0, 1 << 30);
    c->in = (dropout_batch){UINT64_C(0x123456789abcdef), 7, c->images};
    c->rows = floats_new(n_images * features, REALS);
    c->x = blocks_new(c->rows, n_images, features);
    c->n_groups = n_blocks * c->of.n_groups;
    c->y = guarded_new(bytes);
    c->gx = guarded_new(bytes);
    c->kept = guarded_new(c->n_groups * sizeof *c->kept);
}

static void case_free(dropout_case *c)
{
    void *const all[] = {c->images, c->rows, c->x, c->y, c->gx, c->kept};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void check_elements(const dropout_case *c, double p)
{
    size_t features = c->of.features;
    for (size_t k = 0; k < c->n_images * features; k++) {
        reference_element e = {c->in.seed, (uint32_t)(k % features), c->images[k / features],
                               c->in.epoch, c->of.layer};
        bool kept = reference_kept(e, (uint32_t)(p * 65536.0 + 0.5));
        double want = kept ? (double)c->rows[k] / (1.0 - p) : 0.0;
        double got = (double)block_element(c->y, features, k / features, k % features);
        /* p is a multiple of 2^-16 */
        assert_true(fabs(got - want) <= 2e-7 * fabs(want) + fabs(want) * 0x1p-16 / (1.0 - p));
    }
}

static void test_elements(void **state)
{
    (void)state;
    static const size_t features[] = {1, 7, 31, 32, 33, 150};
    static const double p[] = {0.0, 0.1, 0.5, 0.9};
    for (int k = 0; k < COUNT(features); k++)
        for (int j = 0; j < COUNT(edge_counts); j++) {
            dropout_case c;
            case_new(&c, (size_t)edge_counts[j], features[k], p[(k + j) % 4], (uint32_t)k);
            operation_run(&(operation){"dropout_forward", run_forward, c.n_groups, c.y}, &c);
            operation_run(&(operation){"dropout_forward", run_forward, c.n_groups, c.kept}, &c);
            operation_run(&(operation){"dropout_backward", run_backward, c.n_groups, c.gx}, &c);
            check_elements(&c, p[(k + j) % 4]);
            size_t n = blocks_of(c.n_images) * features[k];
            assert_memory_equal(c.y, c.gx, n * sizeof(vec));
            dropout_backward(&c.of, c.kept, c.x, c.gx, true, 0, c.n_groups);
            for (size_t e = 0; e < n * VEC_WIDTH; e++) {
                float once = c.y[e / VEC_WIDTH][e % VEC_WIDTH];
                float twice = c.gx[e / VEC_WIDTH][e % VEC_WIDTH];
                assert_true(fabsf(twice - 2.0F * once) <= 2e-7F * fabsf(twice));
            }
            dropout_forward(&c.of, &c.in, c.x, c.x, c.kept, 0, c.n_groups);
            assert_memory_equal(c.y, c.x, n * sizeof(vec));
            case_free(&c);
        }
}

/* How many elements two cases keep alike. */
static double share_alike(const dropout_case *a, const dropout_case *b, double *share_kept)
{
    size_t alike = 0, kept = 0, n = a->n_groups * VEC_WIDTH;
    for (size_t k = 0; k < n; k++) {
        uint32_t x = (uint32_t)a->kept[k / VEC_WIDTH][k % VEC_WIDTH];
        uint32_t y = (uint32_t)b->kept[k / VEC_WIDTH][k % VEC_WIDTH];
        kept += (size_t)__builtin_popcount(x);
        alike += (size_t)__builtin_popcount(~(x ^ y));
    }
    *share_kept = (double)kept / (double)(32 * n);
    return (double)alike / (double)(32 * n);
}

/* Another seed, epoch, image or layer: another choice, as independent as chance has it. */
static void test_what_it_depends_on(void **state)
{
    (void)state;
    enum { IMAGES = 4 * VEC_WIDTH, FEATURES = 320, CHANGES = 6 };
    double n = IMAGES * FEATURES, deviation = 0.5 / sqrt(n), kept;
    dropout_case a, b;
    case_new(&a, IMAGES, FEATURES, 0.5, 3);
    run_forward(&a, 0, a.n_groups);
    for (int change = 0; change < CHANGES; change++) {
        case_new(&b, IMAGES, FEATURES, 0.5, change == 1 ? 4 : 3);
        for (size_t k = 0; k < IMAGES; k++)
            b.images[k] = a.images[k] + (change == 2);
        b.in.epoch += change == 3;
        b.in.seed += (change == 4) + ((uint64_t)(change == 5) << 32);
        run_forward(&b, 0, b.n_groups);
        double alike = share_alike(&a, &b, &kept);
        assert_true(fabs(kept - 0.5) < 5.0 * deviation);
        assert_true(change == 0 ? alike == 1.0 : fabs(alike - 0.5) < 5.0 * deviation);
        case_free(&b);
    }
    case_free(&a);
}

static void test_no_number_stays(void **state)
{
    (void)state;
    dropout_case c;
    case_new(&c, 1, 9, 0.5, 0);
    for (int k = 0; k < 9; k++)
        c.x[k] = vec_set(NAN);
    run_forward(&c, 0, c.n_groups);
    for (int k = 0; k < 9; k++)
        assert_true(isnan(c.y[k][0]));
    case_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_what_it_depends_on),
        cmocka_unit_test(test_no_number_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
