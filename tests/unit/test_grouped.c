/* Convolutions by groups of channels and with dilation against the plain ones, over odd sizes and every shape of tile. */
#include "blocks.h"

#include "kernels/conv.h"
#include "kernels/grouped.h"
#include "kernels/reference.h"

typedef struct grouped_case {
    reference_grouped r;
    size_t n, n_blocks, n_in, n_out, n_w; /* images; features of an image; weights */
    grouped_shape forward, backward;
    float *x, *w, *bias, *gy;
    vec *in, *out, *gout, *spread, *gin, *sums;
    float *gw, *gb;
} grouped_case;

static int side_of(const reference_grouped *r, int in)
{
    return (in - (r->kernel - 1) * r->dilation - 1) / r->stride + 1;
}

static void case_shapes(grouped_case *c)
{
    const reference_grouped *r = &c->r;
    int reach = (r->kernel - 1) * r->dilation;
    c->forward = (grouped_shape){r->groups,
                                 r->in_channels,
                                 r->out_channels,
                                 r->in_height,
                                 r->in_width,
                                 side_of(r, r->in_height),
                                 side_of(r, r->in_width),
                                 r->kernel,
                                 r->stride,
                                 r->dilation};
    c->backward = (grouped_shape){r->groups,
                                  r->out_channels,
                                  r->in_channels,
                                  r->in_height + reach,
                                  r->in_width + reach,
                                  r->in_height,
                                  r->in_width,
                                  r->kernel,
                                  1,
                                  r->dilation};
    c->n = (size_t)r->n_images;
    c->n_blocks = blocks_of(c->n);
    c->n_in = (size_t)(r->groups * r->in_channels * r->in_height * r->in_width);
    c->n_out = (size_t)(r->groups * r->out_channels * c->forward.out_height * c->forward.out_width);
    c->n_w = grouped_weights(&c->forward);
}

static void spread(grouped_case *c)
{
    int reach = (c->r.kernel - 1) * c->r.dilation;
    size_t planes = c->n_blocks * (size_t)(c->r.groups * c->r.out_channels);
    conv_embedding e = {c->forward.out_height,
                        c->forward.out_width,
                        c->r.in_height + reach,
                        c->r.in_width + reach,
                        reach,
                        reach,
                        c->r.stride};
    c->spread = guarded_new(planes * (size_t)(e.to_height * e.to_width) * sizeof(vec));
    conv_embed(&e, c->gout, c->spread, 0, planes);
}

static void case_new(grouped_case *c, const reference_grouped *r, enum numbers numbers)
{
    *c = (grouped_case){.r = *r};
    case_shapes(c);
    size_t n_channels = (size_t)(r->groups * r->out_channels);
    c->x = floats_new(c->n * c->n_in, numbers);
    c->w = floats_new(c->n_w, numbers);
    c->bias = floats_new(n_channels, numbers);
    c->gy = floats_new(c->n * c->n_out, numbers);
    c->in = blocks_new(c->x, c->n, c->n_in);
    c->gout = blocks_new(c->gy, c->n, c->n_out);
    c->out = guarded_new(c->n_blocks * c->n_out * sizeof(vec));
    c->gin = guarded_new(c->n_blocks * c->n_in * sizeof(vec));
    c->sums = guarded_new(c->n_blocks * (c->n_w + n_channels) * sizeof(vec));
    c->gw = guarded_new(c->n_w * sizeof(float));
    c->gb = guarded_new(n_channels * sizeof(float));
    spread(c);
}

static void case_free(grouped_case *c)
{
    void *const all[] = {c->x,   c->w,      c->bias, c->gy,   c->in, c->out,
                         c->gin, c->spread, c->gout, c->sums, c->gw, c->gb};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_forward(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_arrays a = {.w = c->w, .bias = c->bias, .in = c->in, .out = c->out};
    grouped_forward(&c->forward, &a, begin, end);
}

static void run_backward(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_arrays a = {.w = c->w, .flipped = true, .in = c->spread, .out = c->gin};
    grouped_forward(&c->backward, &a, begin, end);
}

static void run_weights(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    grouped_weight_gradient(&c->forward, c->in, c->gout, c->n, c->gw, begin, end);
}

static void run_biases(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    grouped_bias_gradient(&c->forward, c->gout, c->n, c->gb, begin, end);
}

static void case_run(grouped_case *c)
{
    size_t n_channels = (size_t)(c->r.groups * c->r.out_channels);
    const operation operations[] = {
        {"grouped_forward", run_forward, c->n_blocks * grouped_items(&c->forward), c->out},
        {"grouped_forward as input gradient", run_backward,
         c->n_blocks * grouped_items(&c->backward), c->gin},
        {"grouped_weight_gradient", run_weights, n_channels * (size_t)c->r.in_channels, c->gw},
        {"grouped_bias_gradient", run_biases, n_channels, c->gb},
    };
    for (int k = 0; k < COUNT(operations); k++)
        operation_run(&operations[k], c);
}

/* In two stages, with sums of each block: the same bits. */
static void check_stages(grouped_case *c)
{
    size_t n_channels = (size_t)(c->r.groups * c->r.out_channels), n_sums = c->n_w + n_channels;
    float *g = guarded_new(n_sums * sizeof *g);
    for (size_t b = 0; b < c->n_blocks; b++)
        grouped_gradient_sums(&c->forward, c->in + b * c->n_in, c->gout + b * c->n_out,
                              c->sums + b * n_sums);
    for (size_t begin = 0, end; begin < n_sums; begin = end) {
        end = begin + (size_t)draw(1, (int)(n_sums - begin));
        grouped_gradient_add(c->sums, n_sums, c->n, g, begin, end);
    }
    assert_memory_equal(g, c->gw, c->n_w * sizeof *g);
    assert_memory_equal(g + c->n_w, c->gb, n_channels * sizeof *g);
    guarded_free(g);
}

/* Added to what stands there: twice the sums, where these are exact. */
static void check_adding(grouped_case *c, const double *want)
{
    const grouped_arrays a = {
        .w = c->w, .flipped = true, .in = c->spread, .out = c->gin, .add = true};
    grouped_forward(&c->backward, &a, 0, c->n_blocks * grouped_items(&c->backward));
    for (size_t k = 0; k < c->n * c->n_in; k++)
        assert_true((double)block_element(c->gin, c->n_in, k / c->n_in, k % c->n_in) ==
                    2.0 * want[k]);
}

static void expect(const grouped_case *c, int which, const float *x, const float *w, double *want)
{
    if (which == 0)
        reference_grouped_forward(&c->r, w, x, want);
    else if (which == 1)
        reference_grouped_input_gradient(&c->r, w, x, want);
    else
        reference_grouped_weight_gradient(&c->r, w, x, want);
}

static void check(const reference_grouped *r, enum numbers numbers)
{
    grouped_case c;
    case_new(&c, r, numbers);
    case_run(&c);
    size_t plane = (size_t)(c.forward.out_height * c.forward.out_width);
    int taps = r->kernel * r->kernel;
    const struct {
        const char *name;
        const float *x, *w;
        float *got;
        size_t n, n_x, n_w;
        int n_terms;
    } results[] = {
        {"forward", c.x, c.w, rows_new(c.out, c.n, c.n_out), c.n * c.n_out, c.n * c.n_in, c.n_w,
         r->in_channels * taps + 1},
        {"input gradient", c.gy, c.w, rows_new(c.gin, c.n, c.n_in), c.n * c.n_in, c.n * c.n_out,
         c.n_w, r->out_channels * taps},
        {"weight gradient", c.gy, c.x, c.gw, c.n_w, c.n * c.n_out, c.n * c.n_in,
         (int)plane + r->n_images},
    };
    for (int k = 0; k < COUNT(results); k++) {
        char what[160];
        double *want = doubles_new(results[k].n), *size = NULL;
        expect(&c, k, results[k].x, results[k].w, want);
        if (numbers == REALS) {
            float *x = magnitudes_new(results[k].x, results[k].n_x);
            float *w = magnitudes_new(results[k].w, results[k].n_w);
            expect(&c, k, x, w, size = doubles_new(results[k].n));
            guarded_free(x);
            guarded_free(w);
        }
        for (size_t j = 0; k == 0 && j < results[k].n; j++) {
            size_t channel = j / plane % (size_t)(r->groups * r->out_channels);
            want[j] += (double)c.bias[channel];
            if (size)
                size[j] += 1.0;
        }
        snprintf(what, sizeof what,
                 "%s, %d groups of %d to %d, %d x %d, kernel %d, stride %d, dilation %d",
                 results[k].name, r->groups, r->in_channels, r->out_channels, r->in_height,
                 r->in_width, r->kernel, r->stride, r->dilation);
        assert_near(what, results[k].got, want, size, (results[k].n_terms + 4) * ROUNDING,
                    results[k].n);
        if (k == 1 && numbers == INTEGERS)
            check_adding(&c, want);
        guarded_free(want);
        guarded_free(size);
    }
    check_stages(&c);
    guarded_free(results[0].got);
    guarded_free(results[1].got);
    case_free(&c);
}

/* Every kernel, stride and dilation, with draws of everything else. */
static void test_grouped(void **state)
{
    (void)state;
    static const int kernels[] = {1, 2, 3, 4, 5, 7, 9, 17};
    for (int k = 0; k < COUNT(kernels); k++)
        for (int stride = 1; stride <= 3; stride++)
            for (int dilation = 1; dilation <= 3; dilation++)
                for (int n = 0; n < enough_of(8); n++) {
                    int reach = (kernels[k] - 1) * dilation + 1;
                    reference_grouped r = {.n_images = edge_counts[draw(0, 4)],
                                           .groups = draw(1, 5),
                                           .in_channels = n % 2 ? 1 : draw(1, 4),
                                           .in_height = reach + draw(0, 4),
                                           .in_width = reach + draw(0, 18),
                                           .out_channels = n % 2 ? 1 : draw(1, 9),
                                           .kernel = kernels[k],
                                           .stride = stride,
                                           .dilation = dilation};
                    double outputs = (double)side_of(&r, r.in_height) * side_of(&r, r.in_width);
                    if (outputs * r.groups * r.in_channels * r.out_channels * r.kernel * r.kernel *
                            r.n_images <
                        4e5)
                        check(&r, n % 4 == 0 ? REALS : INTEGERS);
                }
}

static void test_depthwise_full_size(void **state)
{
    (void)state;
    static const reference_grouped shapes[] = {
        {VEC_WIDTH + 1, 3, 1, 1, 34, 34, 3, 1, 1},
        {2, 3, 1, 1, 38, 38, 7, 1, 1},
        {2, 3, 1, 1, 50, 50, 7, 1, 3},
        {2, 16, 3, 5, 33, 34, 4, 2, 1},
    };
    for (int k = 0; k < COUNT(shapes); k++) {
        check(&shapes[k], REALS);
        check(&shapes[k], INTEGERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grouped),
        cmocka_unit_test(test_depthwise_full_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
