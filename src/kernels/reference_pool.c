#include "kernels/reference.h"

#include <math.h>

static void fill_zero(double *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        x[k] = 0.0;
}

/* Number of element j of the window of output (y, x) within its plane; below 0: padding. */
static long window_element(const reference_pool *s, int y, int x, int j)
{
    int row = y * s->stride - s->padding + j / s->window;
    int column = x * s->stride - s->padding + j % s->window;
    bool inside = row >= 0 && row < s->in_height && column >= 0 && column < s->in_width;
    return inside ? (long)row * s->in_width + column : -1;
}

/* An element of a window, and the output it is one of. */
typedef struct place {
    size_t in, out; /* among all planes */
    int j;          /* number in its window */
} place;

typedef void visit_element(const place *at, void *into);

static void visit_elements(const reference_pool *s, visit_element *visit, void *into)
{
    int height = reference_side(s->in_height, s->window, s->stride, s->padding);
    int width = reference_side(s->in_width, s->window, s->stride, s->padding);
    place at = {0};
    for (int p = 0; p < s->n_planes; p++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++, at.out++)
                for (at.j = 0; at.j < s->window * s->window; at.j++) {
                    long element = window_element(s, y, x, at.j);
                    at.in = (size_t)p * (size_t)(s->in_height * s->in_width) + (size_t)element;
                    if (element >= 0)
                        visit(&at, into);
                }
}

static size_t in_count(const reference_pool *s)
{
    return (size_t)s->n_planes * (size_t)(s->in_height * s->in_width);
}

static size_t out_count(const reference_pool *s)
{
    return (size_t)s->n_planes *
           (size_t)reference_side(s->in_height, s->window, s->stride, s->padding) *
           (size_t)reference_side(s->in_width, s->window, s->stride, s->padding);
}

typedef struct pooling {
    const float *x, *gy;
    float *y;
    int *choice;
    const int *chosen;
    double *mean, *gx;
    double share;
} pooling;

static void choose(const place *at, void *into)
{
    pooling *p = into;
    float element = p->x[at->in];
    if (p->choice[at->out] >= 0 && !(element > p->y[at->out]) && !isnan(element))
        return;
    p->choice[at->out] = at->j;
    p->y[at->out] = element;
}

static void give_back(const place *at, void *into)
{
    pooling *p = into;
    if (p->chosen[at->out] == at->j)
        p->gx[at->in] += (double)p->gy[at->out];
}

static void add_share(const place *at, void *into)
{
    pooling *p = into;
    p->mean[at->out] += (double)p->x[at->in] * p->share;
}

static void spread_share(const place *at, void *into)
{
    pooling *p = into;
    p->gx[at->in] += (double)p->gy[at->out] * p->share;
}

void reference_pool_forward(const reference_pool *s, const float *x, float *y, int *choice)
{
    for (size_t k = 0; k < out_count(s); k++)
        choice[k] = -1;
    visit_elements(s, choose, &(pooling){.x = x, .y = y, .choice = choice});
}

void reference_pool_backward(const reference_pool *s, const float *gy, const int *choice,
                             double *gx)
{
    fill_zero(gx, in_count(s));
    visit_elements(s, give_back, &(pooling){.gy = gy, .chosen = choice, .gx = gx});
}

void reference_average_forward(const reference_pool *s, const float *x, double *y)
{
    fill_zero(y, out_count(s));
    visit_elements(s, add_share,
                   &(pooling){.x = x, .mean = y, .share = 1.0 / (s->window * s->window)});
}

void reference_average_backward(const reference_pool *s, const float *gy, double *gx)
{
    fill_zero(gx, in_count(s));
    visit_elements(s, spread_share,
                   &(pooling){.gy = gy, .gx = gx, .share = 1.0 / (s->window * s->window)});
}

void reference_mean_forward(int n_planes, int n, const float *x, double *y)
{
    fill_zero(y, (size_t)n_planes);
    for (size_t k = 0; k < (size_t)n_planes * (size_t)n; k++)
        y[k / (size_t)n] += (double)x[k] / n;
}

void reference_mean_backward(int n_planes, int n, const float *gy, double *gx)
{
    for (size_t k = 0; k < (size_t)n_planes * (size_t)n; k++)
        gx[k] = (double)gy[k / (size_t)n] / n;
}
