#include "kernels/reference.h"

/* What a product is added to, and its two factors. */
enum result { OUTPUT, INPUT_GRADIENT, WEIGHT_GRADIENT };

typedef struct walk {
    const reference_grouped *of;
    enum result result;
    const float *a, *b; /* w and x; w and gy; x and gy */
    double *to;
} walk;

static void add_product(const walk *s, size_t w, size_t x, size_t y)
{
    if (s->result == OUTPUT)
        s->to[y] += (double)s->a[w] * (double)s->b[x];
    else if (s->result == INPUT_GRADIENT)
        s->to[x] += (double)s->a[w] * (double)s->b[y];
    else
        s->to[w] += (double)s->a[x] * (double)s->b[y];
}

static int side(const reference_grouped *r, int in)
{
    return (in - (r->kernel - 1) * r->dilation - 1) / r->stride + 1;
}

/* All products of one output. */
static void visit(const walk *s, int n, int o, int row, int column, size_t y)
{
    const reference_grouped *r = s->of;
    int group = o / r->out_channels;
    for (int i = 0; i < r->in_channels; i++)
        for (int ky = 0; ky < r->kernel; ky++)
            for (int kx = 0; kx < r->kernel; kx++) {
                int channel = (n * r->groups + group) * r->in_channels + i;
                int at_y = row * r->stride + ky * r->dilation;
                int at_x = column * r->stride + kx * r->dilation;
                size_t w = (size_t)(((o * r->in_channels + i) * r->kernel + ky) * r->kernel + kx);
                add_product(s, w, (size_t)((channel * r->in_height + at_y) * r->in_width + at_x),
                            y);
            }
}

static void visit_all(const walk *s, int n_results)
{
    const reference_grouped *r = s->of;
    int height = side(r, r->in_height), width = side(r, r->in_width);
    size_t y = 0;
    for (int k = 0; k < n_results; k++)
        s->to[k] = 0.0;
    for (int n = 0; n < r->n_images; n++)
        for (int o = 0; o < r->groups * r->out_channels; o++)
            for (int row = 0; row < height; row++)
                for (int column = 0; column < width; column++, y++)
                    visit(s, n, o, row, column, y);
}

void reference_grouped_forward(const reference_grouped *r, const float *w, const float *x,
                               double *y)
{
    int plane = side(r, r->in_height) * side(r, r->in_width);
    visit_all(&(walk){r, OUTPUT, w, x, y}, r->n_images * r->groups * r->out_channels * plane);
}

void reference_grouped_input_gradient(const reference_grouped *r, const float *w, const float *gy,
                                      double *gx)
{
    int plane = r->in_height * r->in_width;
    visit_all(&(walk){r, INPUT_GRADIENT, w, gy, gx},
              r->n_images * r->groups * r->in_channels * plane);
}

void reference_grouped_weight_gradient(const reference_grouped *r, const float *x, const float *gy,
                                       double *gw)
{
    visit_all(&(walk){r, WEIGHT_GRADIENT, x, gy, gw},
              r->groups * r->out_channels * r->in_channels * r->kernel * r->kernel);
}
