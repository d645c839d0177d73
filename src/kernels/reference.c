#include "kernels/reference.h"

#include <math.h>

int reference_side(int in, int kernel, int stride, int padding)
{
    return (in + 2 * padding - kernel) / stride + 1;
}

/*
 * A product of a convolution: which weight, which input, and the output it is a term of.  All four
 * results are sums over the same products, so they share one walk over them.
 */
typedef struct product {
    size_t y, w, x;
} product;

typedef struct sums {
    const float *a, *b; /* the two factors' arrays */
    double *out;
} sums;

typedef void visit_product(const sums *s, product at);

static void visit_window(const reference_conv *s, product at, int top, int left,
                         visit_product *visit, const sums *into)
{
    for (int ky = 0; ky < s->kernel; ky++)
        for (int kx = 0; kx < s->kernel; kx++) {
            int y = top + ky, x = left + kx;
            if (y < 0 || y >= s->in_height || x < 0 || x >= s->in_width)
                continue; /* in the padding */
            product p = at;
            p.w += (size_t)(ky * s->kernel + kx);
            p.x += (size_t)(y * s->in_width + x);
            visit(into, p);
        }
}

static void visit_products(const reference_conv *s, visit_product *visit, const sums *into)
{
    int height = reference_side(s->in_height, s->kernel, s->stride, s->padding);
    int width = reference_side(s->in_width, s->kernel, s->stride, s->padding);
    size_t taps = (size_t)(s->kernel * s->kernel), plane = (size_t)(s->in_height * s->in_width);
    product at = {0};
    for (int n = 0; n < s->n_images; n++)
        for (int o = 0; o < s->out_channels; o++)
            for (int y = 0; y < height; y++)
                for (int x = 0; x < width; x++, at.y++)
                    for (int i = 0; i < s->in_channels; i++) {
                        at.w = (size_t)(o * s->in_channels + i) * taps;
                        at.x = (size_t)(n * s->in_channels + i) * plane;
                        visit_window(s, at, y * s->stride - s->padding, x * s->stride - s->padding,
                                     visit, into);
                    }
}

static void add_to_output(const sums *s, product p)
{
    s->out[p.y] += (double)s->a[p.w] * (double)s->b[p.x];
}

static void add_to_input(const sums *s, product p)
{
    s->out[p.x] += (double)s->a[p.w] * (double)s->b[p.y];
}

static void add_to_weight(const sums *s, product p)
{
    s->out[p.w] += (double)s->a[p.x] * (double)s->b[p.y];
}

static void fill_zero(double *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        x[k] = 0.0;
}

/* Elements of one plane of the output. */
static size_t out_plane(const reference_conv *s)
{
    return (size_t)reference_side(s->in_height, s->kernel, s->stride, s->padding) *
           (size_t)reference_side(s->in_width, s->kernel, s->stride, s->padding);
}

void reference_conv_forward(const reference_conv *s, const float *w, const float *bias,
                            const float *x, double *y)
{
    size_t plane = out_plane(s), n = (size_t)(s->n_images * s->out_channels) * plane;
    for (size_t k = 0; k < n; k++)
        y[k] = bias ? (double)bias[k / plane % (size_t)s->out_channels] : 0.0;
    visit_products(s, add_to_output, &(sums){w, x, y});
}

void reference_conv_input_gradient(const reference_conv *s, const float *w, const float *gy,
                                   double *gx)
{
    fill_zero(gx, (size_t)(s->n_images * s->in_channels) * (size_t)(s->in_height * s->in_width));
    visit_products(s, add_to_input, &(sums){w, gy, gx});
}

void reference_conv_weight_gradient(const reference_conv *s, const float *x, const float *gy,
                                    double *gw)
{
    fill_zero(gw, (size_t)(s->out_channels * s->in_channels) * (size_t)(s->kernel * s->kernel));
    visit_products(s, add_to_weight, &(sums){x, gy, gw});
}

void reference_conv_bias_gradient(const reference_conv *s, const float *gy, double *gb)
{
    size_t plane = out_plane(s), n = (size_t)(s->n_images * s->out_channels) * plane;
    fill_zero(gb, (size_t)s->out_channels);
    for (size_t k = 0; k < n; k++)
        gb[k / plane % (size_t)s->out_channels] += (double)gy[k];
}

void reference_dense_forward(const reference_dense *s, const float *w, const float *bias,
                             const float *x, double *y)
{
    for (int n = 0; n < s->n_images; n++)
        for (int o = 0; o < s->n_out; o++) {
            double sum = bias ? (double)bias[o] : 0.0;
            for (int i = 0; i < s->n_in; i++)
                sum += (double)w[o * s->n_in + i] * (double)x[n * s->n_in + i];
            y[n * s->n_out + o] = sum;
        }
}

void reference_dense_input_gradient(const reference_dense *s, const float *w, const float *gy,
                                    double *gx)
{
    for (int n = 0; n < s->n_images; n++)
        for (int i = 0; i < s->n_in; i++) {
            double sum = 0.0;
            for (int o = 0; o < s->n_out; o++)
                sum += (double)w[o * s->n_in + i] * (double)gy[n * s->n_out + o];
            gx[n * s->n_in + i] = sum;
        }
}

void reference_dense_weight_gradient(const reference_dense *s, const float *x, const float *gy,
                                     double *gw)
{
    for (int o = 0; o < s->n_out; o++)
        for (int i = 0; i < s->n_in; i++) {
            double sum = 0.0;
            for (int n = 0; n < s->n_images; n++)
                sum += (double)gy[n * s->n_out + o] * (double)x[n * s->n_in + i];
            gw[o * s->n_in + i] = sum;
        }
}

void reference_dense_bias_gradient(const reference_dense *s, const float *gy, double *gb)
{
    for (int o = 0; o < s->n_out; o++) {
        gb[o] = 0.0;
        for (int n = 0; n < s->n_images; n++)
            gb[o] += (double)gy[n * s->n_out + o];
    }
}

void reference_relu_forward(const float *x, float *y, size_t n)
{
    for (size_t k = 0; k < n; k++)
        y[k] = x[k] <= 0.0F ? 0.0F : x[k];
}

void reference_relu_backward(const float *y, const float *gy, float *gx, size_t n)
{
    for (size_t k = 0; k < n; k++)
        gx[k] = y[k] <= 0.0F ? 0.0F : gy[k];
}

double reference_softmax(int n_classes, const float *logits, int label, const loss_rule *rule,
                         double *p, double *g)
{
    double largest = (double)logits[0], sum = 0.0, loss = 0.0;
    double spread = (double)rule->smoothing / n_classes, own = 1.0 - (double)rule->smoothing;
    for (int c = 1; c < n_classes; c++)
        largest = (double)logits[c] > largest ? (double)logits[c] : largest;
    for (int c = 0; c < n_classes; c++)
        sum += exp((double)logits[c] - largest);
    for (int c = 0; c < n_classes; c++) {
        double x = (double)logits[c] - largest, share = exp(x) / sum;
        double wanted = c == label ? own + spread : spread;
        if (p)
            p[c] = share;
        if (g)
            g[c] = (double)rule->scale * (share - wanted);
        if (wanted > 0.0)
            loss += wanted * (log(sum) - x);
    }
    return loss;
}

void reference_sgd(const update_rule *rule, double *w, double *v, const float *g, size_t n)
{
    double lr = (double)rule->lr, momentum = (double)rule->momentum;
    double decay = (double)rule->weight_decay;
    for (size_t k = 0; k < n; k++) {
        double d = (double)g[k] + (rule->decoupled ? 0.0 : decay * w[k]);
        v[k] = momentum * v[k] + d;
        if (rule->decoupled)
            w[k] -= lr * decay * w[k];
        w[k] -= lr * (rule->nesterov ? d + momentum * v[k] : v[k]);
    }
}

void reference_adamw(const adamw_rule *rule, double *w, double *m, double *v, const float *g,
                     size_t n)
{
    for (size_t k = 0; k < n; k++) {
        double x = (double)g[k];
        m[k] += (double)rule->rate1 * (x - m[k]);
        v[k] += (double)rule->rate2 * (x * x - v[k]);
        w[k] =
            w[k] * (double)rule->keep -
            (double)rule->step * m[k] / (sqrt(v[k]) * (double)rule->root + (double)rule->epsilon);
    }
}
