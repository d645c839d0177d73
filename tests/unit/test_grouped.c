/* Convolutions by groups of channels and with dilation against the plain ones, over odd sizes and every shape of tile. */
#include "blocks.h"

#include "kernels/conv.h"
#include "kernels/grouped.h"
#include "kernels/reference.h"

typedef struct grouped_case {
    reference_grouped r;
    size_t n, n_blocks, n_in, n_out, n_w; /* images; features of an image as stored; weights */
    size_t n_x; /* features with the zeros around them, as the reference wants it */
    grouped_shape forward, backward;
    float *x, *inner, *w, *bias, *gy;
    vec *in, *out, *gout, *gin, *sums, *scratch;
    float *gw, *gb;
} grouped_case;

static int side_of(const reference_grouped *r, int in)
{
    return (in - (r->kernel - 1) * r->dilation - 1) / r->stride + 1;
}

/* Some of a side's ends, at most a kernel's reach, are zeros that are not stored; what is left of it. */
static int draw_margins(int side, int reach, int *before)
{
    int most = reach < (side - 1) / 2 ? reach : (side - 1) / 2;
    *before = draw(0, 1) * draw(0, most);
    return side - *before - draw(0, 1) * draw(0, most);
}

static void case_shapes(grouped_case *c)
{
    const reference_grouped *r = &c->r;
    int reach = (r->kernel - 1) * r->dilation, top, left;
    int height = draw_margins(r->in_height, reach, &top),
        width = draw_margins(r->in_width, reach, &left);
    c->forward = (grouped_shape){.groups = r->groups,
                                 .in_channels = r->in_channels,
                                 .out_channels = r->out_channels,
                                 .in = {height, width, r->in_height, r->in_width, top, left, 1},
                                 .out_height = side_of(r, r->in_height),
                                 .out_width = side_of(r, r->in_width),
                                 .kernel = r->kernel,
                                 .stride = r->stride,
                                 .dilation = r->dilation};
    c->backward =
        (grouped_shape){.groups = r->groups,
                        .in_channels = r->out_channels,
                        .out_channels = r->in_channels,
                        .in = {c->forward.out_height, c->forward.out_width, height + reach,
                               width + reach, reach - top, reach - left, r->stride},
                        .out_height = height,
                        .out_width = width,
                        .kernel = r->kernel,
                        .stride = 1,
                        .dilation = r->dilation};
    c->n = (size_t)r->n_images;
    c->n_blocks = blocks_of(c->n);
    c->n_in = (size_t)(r->groups * r->in_channels * height * width);
    c->n_x = (size_t)(r->groups * r->in_channels * r->in_height * r->in_width);
    c->n_out = (size_t)(r->groups * r->out_channels * c->forward.out_height * c->forward.out_width);
    c->n_w = grouped_weights(&c->forward);
}

static size_t scratch_of(const grouped_case *c)
{
    size_t forward = grouped_scratch(&c->forward), backward = grouped_scratch(&c->backward);
    return forward > backward ? forward : backward;
}

/* Where element k of all stored images is among the zeros. */
static size_t place_of(const grouped_case *c, size_t k)
{
    const conv_embedding *e = &c->forward.in;
    size_t width = (size_t)e->width, plane = (size_t)e->height * width;
    size_t y = k % plane / width + (size_t)e->top, x = k % width + (size_t)e->left;
    return (k / plane * (size_t)e->to_height + y) * (size_t)e->to_width + x;
}

static void case_new(grouped_case *c, const reference_grouped *r, enum numbers numbers)
{
    *c = (grouped_case){.r = *r};
    case_shapes(c);
    size_t n_channels = (size_t)(r->groups * r->out_channels);
    c->inner = floats_new(c->n * c->n_in, numbers);
    c->x = guarded_new(c->n * c->n_x * sizeof(float));
    memset(c->x, 0, c->n * c->n_x * sizeof(float));
    for (size_t k = 0; k < c->n * c->n_in; k++)
        c->x[place_of(c, k)] = c->inner[k];
    c->w = floats_new(c->n_w, numbers);
    c->bias = floats_new(n_channels, numbers);
    c->gy = floats_new(c->n * c->n_out, numbers);
    c->in = blocks_new(c->inner, c->n, c->n_in);
    c->gout = blocks_new(c->gy, c->n, c->n_out);
    c->out = guarded_new(c->n_blocks * c->n_out * sizeof(vec));
    c->gin = guarded_new(c->n_blocks * c->n_in * sizeof(vec));
    c->sums = guarded_new(c->n_blocks * (c->n_w + n_channels) * sizeof(vec));
    c->gw = guarded_new(c->n_w * sizeof(float));
    c->gb = guarded_new(n_channels * sizeof(float));
    c->scratch = guarded_new(scratch_of(c) * sizeof(vec));
}

static void case_free(grouped_case *c)
{
    void *const all[] = {c->x,   c->inner,   c->w,    c->bias, c->gy, c->in, c->out,
                         c->gin, c->scratch, c->gout, c->sums, c->gw, c->gb};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
}

static void run_forward(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_arrays a = {
        .w = c->w, .bias = c->bias, .in = c->in, .out = c->out, .scratch = c->scratch};
    grouped_forward(&c->forward, &a, begin, end);
}

static void run_backward(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_arrays a = {
        .w = c->w, .flipped = true, .in = c->gout, .out = c->gin, .scratch = c->scratch};
    grouped_forward(&c->backward, &a, begin, end);
}

/* All images, or one block's: from block b on. */
static grouped_gradient_arrays gradient_arrays(const grouped_case *c, size_t b)
{
    return (grouped_gradient_arrays){c->in + b * c->n_in, c->gout + b * c->n_out, c->n, c->scratch};
}

static void run_weights(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_gradient_arrays a = gradient_arrays(c, 0);
    grouped_weight_gradient(&c->forward, &a, c->gw, begin, end);
}

static void run_biases(void *arg, size_t begin, size_t end)
{
    grouped_case *c = arg;
    const grouped_gradient_arrays a = gradient_arrays(c, 0);
    grouped_bias_gradient(&c->forward, &a, c->gb, begin, end);
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
    for (size_t b = 0; b < c->n_blocks; b++) {
        const grouped_gradient_arrays a = gradient_arrays(c, b);
        size_t n_groups = (size_t)c->r.groups, middle = (size_t)draw(0, c->r.groups);
        grouped_gradient_sums(&c->forward, &a, c->sums + b * n_sums, 0, middle);
        grouped_gradient_sums(&c->forward, &a, c->sums + b * n_sums, middle, n_groups);
    }
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
    const grouped_arrays a = {.w = c->w,
                              .flipped = true,
                              .in = c->gout,
                              .out = c->gin,
                              .add = true,
                              .scratch = c->scratch};
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
        {"forward", c.x, c.w, rows_new(c.out, c.n, c.n_out), c.n * c.n_out, c.n * c.n_x, c.n_w,
         r->in_channels * taps + 1},
        {"input gradient", c.gy, c.w, rows_new(c.gin, c.n, c.n_in), c.n * c.n_in, c.n * c.n_out,
         c.n_w, r->out_channels * taps},
        {"weight gradient", c.gy, c.x, c.gw, c.n_w, c.n * c.n_out, c.n * c.n_x,
         (int)plane + r->n_images},
    };
    for (int k = 0; k < COUNT(results); k++) {
        char what[200];
        const size_t n_want = k == 1 ? c.n * c.n_x : results[k].n; /* of the zeros, too */
        double *want = doubles_new(n_want), *size = NULL;
        expect(&c, k, results[k].x, results[k].w, want);
        if (numbers == REALS) {
            float *x = magnitudes_new(results[k].x, results[k].n_x);
            float *w = magnitudes_new(results[k].w, results[k].n_w);
            expect(&c, k, x, w, size = doubles_new(n_want));
            guarded_free(x);
            guarded_free(w);
        }
        for (size_t j = 0; k == 0 && j < results[k].n; j++) {
            size_t channel = j / plane % (size_t)(r->groups * r->out_channels);
            want[j] += (double)c.bias[channel];
            if (size)
                size[j] += 1.0;
        }
        for (size_t j = 0; k == 1 && j < results[k].n; j++) {
            want[j] = want[place_of(&c, j)];
            if (size)
                size[j] = size[place_of(&c, j)];
        }
        snprintf(
            what, sizeof what,
            "%s, %d images, %d groups of %d to %d, %d x %d, of it stored %d x %d from (%d, %d), "
            "kernel %d, stride %d, dilation %d",
            results[k].name, r->n_images, r->groups, r->in_channels, r->out_channels, r->in_height,
            r->in_width, c.forward.in.height, c.forward.in.width, c.forward.in.top,
            c.forward.in.left, r->kernel, r->stride, r->dilation);
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
                for (int n = 0; n < enough_of(16); n++) {
                    int reach = (kernels[k] - 1) * dilation + 1;
                    reference_grouped r = {.n_images = edge_counts[draw(0, 4)],
                                           .groups = draw(1, 5),
                                           .in_channels = n % 2 ? 1 : draw(1, 4),
                                           .in_height = reach + draw(0, 12),
                                           .in_width = reach + draw(0, 18),
                                           .out_channels = n % 2 ? 1 : draw(1, 9),
                                           .kernel = kernels[k],
                                           .stride = stride,
                                           .dilation = dilation};
                    double outputs = (double)side_of(&r, r.in_height) * side_of(&r, r.in_width);
                    if (outputs * r.groups * r.in_channels * r.out_channels * r.kernel * r.kernel *
                            r.n_images <
                        4e5)
                        check(&r, n % 4 < 2 ? REALS : INTEGERS);
                }
}

static void test_full_size(void **state)
{
    (void)state;
    static const reference_grouped shapes[] = {
        {VEC_WIDTH + 1, 3, 1, 1, 34, 34, 3, 1, 1},
        {2, 3, 1, 1, 38, 38, 7, 1, 1},
        {2, 3, 1, 1, 50, 50, 7, 1, 3},
        {2, 3, 1, 1, 33, 34, 3, 2, 1},
        {2, 3, 1, 1, 34, 33, 5, 2, 1},
        {2, 3, 1, 1, 40, 40, 5, 1, 3},
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
        cmocka_unit_test(test_full_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
