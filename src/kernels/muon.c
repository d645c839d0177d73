#include "kernels/muon.h"

#include "kernels/matrix.h"

#include <math.h>

static const float A = 3.4445F, B = -4.7750F, C = 2.0315F;
enum { TURNS = 3 };

/* X stands transposed, [longer side][shorter side, padded]: then every product runs along padded rows. */
typedef struct sides {
    size_t n, m, stride;        /* longer, shorter, its padded length */
    size_t by_n, by_m;          /* steps in w, v and g */
    float *x, *next, *a, *poly; /* n and n, m and m rows */
} sides;

static size_t padded(size_t n)
{
    return (n + MATRIX_PAD - 1) / MATRIX_PAD * MATRIX_PAD;
}

size_t muon_work(size_t rows, size_t columns)
{
    size_t n = rows > columns ? rows : columns, m = rows > columns ? columns : rows;
    return 2 * (n + m) * padded(m);
}

double muon_operations(size_t rows, size_t columns)
{
    double n = (double)(rows > columns ? rows : columns),
           m = (double)(rows > columns ? columns : rows);
    return 2.0 * TURNS * (2.0 * n * m * m + m * m * m);
}

static sides sides_of(const muon_matrix *at)
{
    bool tall = at->rows > at->columns;
    sides s = {.n = tall ? at->rows : at->columns,
               .m = tall ? at->columns : at->rows,
               .by_n = tall ? at->columns : 1,
               .by_m = tall ? 1 : at->columns};
    s.stride = padded(s.m);
    s.x = at->work;
    s.next = s.x + s.n * s.stride;
    s.a = s.next + s.n * s.stride;
    s.poly = s.a + s.m * s.stride;
    return s;
}

/* Momentum, and its direction into x; the squares of direction and weights, row by row. */
static void take_rows(const muon_rule *rule, const muon_matrix *at, const sides *s, const team *us)
{
    size_t begin, end;
    team_share(us, s->n, &begin, &end);
    for (size_t k = begin; k < end; k++) {
        double squares_u = 0.0, squares_w = 0.0;
        for (size_t i = 0; i < s->m; i++) {
            size_t j = k * s->by_n + i * s->by_m;
            at->v[j] = rule->momentum * at->v[j] + at->g[j];
            float u = at->g[j] + rule->momentum * at->v[j];
            s->x[k * s->stride + i] = u;
            squares_u += (double)u * (double)u;
            squares_w += (double)at->w[j] * (double)at->w[j];
        }
        for (size_t i = s->m; i < s->stride; i++)
            s->x[k * s->stride + i] = 0.0F;
        at->sums[k] = squares_u;
        at->sums[s->n + k] = squares_w;
    }
}

static double norm(const double *squares, size_t n)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += squares[k];
    return sqrt(sum);
}

static void scale(float *x, size_t n, float factor, const team *us)
{
    size_t begin, end;
    team_share(us, n, &begin, &end);
    for (size_t k = begin; k < end; k++)
        x[k] *= factor;
}

/*
 * X = C (A / C X + (B / C G + G G) X) with G = X X'.  G and the polynomial in it are symmetric to the bit: their sums are
 * the same products in the same order.
 */
static void turn(const sides *s, const team *us)
{
    size_t begin, end;
    matrix_product gram = {.p = s->x,
                           .p_row = 1,
                           .p_step = s->stride,
                           .q = s->x,
                           .n_terms = s->n,
                           .c = s->a,
                           .stride = s->stride,
                           .beta = 1.0F};
    matrix_product poly = {.p = s->a,
                           .p_row = s->stride,
                           .p_step = 1,
                           .q = s->a,
                           .n_terms = s->m,
                           .d = s->a,
                           .c = s->poly,
                           .stride = s->stride,
                           .alpha = B / C,
                           .beta = 1.0F};
    matrix_product next = {.p = s->x,
                           .p_row = s->stride,
                           .p_step = 1,
                           .q = s->poly,
                           .n_terms = s->m,
                           .d = s->x,
                           .c = s->next,
                           .stride = s->stride,
                           .alpha = A / C,
                           .beta = C};
    team_share(us, s->m, &begin, &end);
    matrix_multiply(&gram, begin, end);
    team_barrier(us);
    matrix_multiply(&poly, begin, end);
    team_barrier(us);
    team_share(us, s->n, &begin, &end);
    matrix_multiply(&next, begin, end);
    team_barrier(us);
}

static void move_rows(const muon_matrix *at, const sides *s, float lr, const team *us)
{
    size_t begin, end;
    team_share(us, s->n, &begin, &end);
    for (size_t k = begin; k < end; k++)
        for (size_t i = 0; i < s->m; i++) {
            size_t j = k * s->by_n + i * s->by_m;
            at->w[j] -= lr * s->x[k * s->stride + i];
        }
}

void muon_step(const muon_rule *rule, const muon_matrix *at, const team *us)
{
    sides s = sides_of(at);
    take_rows(rule, at, &s, us);
    team_barrier(us);
    double size = norm(at->sums + s.n, s.n), root = sqrt((double)at->rows);
    scale(s.x, s.n * s.stride, (float)(1.0 / (norm(at->sums, s.n) + 1e-7)), us);
    scale(at->w, at->rows * at->columns, size > 0.0 ? (float)(root / size) : 1.0F, us);
    team_barrier(us);
    for (int k = 0; k < TURNS; k++) {
        turn(&s, us);
        float *x = s.x;
        s.x = s.next;
        s.next = x;
    }
    move_rows(at, &s, rule->lr, us);
}
