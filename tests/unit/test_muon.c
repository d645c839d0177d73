/* Products of padded matrices, and Muon's step, against plain ones in double. */
#include "blocks.h"

#include "kernels/matrix.h"
#include "kernels/muon.h"

enum { MOST = 40 }; /* rows or columns */

/* ---- products ----------------------------------------------------------------------------------- */

typedef struct product_case {
    matrix_product m;
    float *d;
} product_case;

static void run_product(void *arg, size_t begin, size_t end)
{
    product_case *c = arg;
    matrix_multiply(&c->m, begin, end);
}

static void product_compare(const matrix_product *m, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < m->stride; c++) {
            double sum = 0.0, size = 0.0;
            for (size_t k = 0; k < m->n_terms; k++) {
                double x =
                    (double)m->p[r * m->p_row + k * m->p_step] * (double)m->q[k * m->stride + c];
                sum += x;
                size += fabs(x);
            }
            double more = m->d ? (double)m->alpha * (double)m->d[r * m->stride + c] : 0.0;
            double want = (double)m->beta * (sum + more);
            double bound =
                ROUNDING * (double)(m->n_terms + 3) * fabs((double)m->beta) * (size + fabs(more));
            assert_near("product", m->c + r * m->stride + c, &want, &bound, 1.0, 1);
        }
}

/* Rows, terms, columns; P as it stands and transposed; with D and without. */
static void test_products(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 16}, {5, 7, 16}, {6, 3, 48}, {13, 31, 32}, {25, 2, 80}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int turned = 0; turned < 2; turned++) {
            const size_t rows = shapes[k][0], terms = shapes[k][1], stride = shapes[k][2];
            float *p = floats_new(rows * terms, REALS), *q = floats_new(terms * stride, REALS);
            float *d = floats_new(rows * stride, REALS);
            float *y = guarded_new(rows * stride * sizeof *y);
            matrix_product m = {.p = p,
                                .p_row = turned ? 1 : terms,
                                .p_step = turned ? rows : 1,
                                .q = q,
                                .n_terms = terms,
                                .d = turned ? d : NULL,
                                .c = y,
                                .stride = stride,
                                .alpha = -2.35F,
                                .beta = 2.03F};
            product_case c = {m, d};
            operation_run(&(operation){"matrix_multiply", run_product, rows, y}, &c);
            product_compare(&m, rows);
            float *const all[] = {p, q, d, y};
            for (int i = 0; i < COUNT(all); i++)
                guarded_free(all[i]);
        }
}

/* ---- Muon --------------------------------------------------------------------------------------- */

typedef struct muon_case {
    muon_rule rule;
    muon_matrix at;
} muon_case;

static void work(const team *us, void *arg)
{
    const muon_case *c = arg;
    muon_step(&c->rule, &c->at, us);
}

static double norm(const double *x, size_t n)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += x[k] * x[k];
    return sqrt(sum);
}

/* x [m][n], m <= n: a turn of the iteration, row by row. */
static void plain_turn(double *x, size_t m, size_t n)
{
    static double gram[MOST * MOST], poly[MOST * MOST], next[MOST * MOST];
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            gram[i * m + j] = 0.0;
            for (size_t k = 0; k < n; k++)
                gram[i * m + j] += x[i * n + k] * x[j * n + k];
        }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            poly[i * m + j] = -4.7750 * gram[i * m + j];
            for (size_t k = 0; k < m; k++)
                poly[i * m + j] += 2.0315 * gram[i * m + k] * gram[k * m + j];
        }
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < n; k++) {
            next[i * n + k] = 3.4445 * x[i * n + k];
            for (size_t j = 0; j < m; j++)
                next[i * n + k] += poly[i * m + j] * x[j * n + k];
        }
    memcpy(x, next, m * n * sizeof *x);
}

static void plain_muon(const muon_case *c, double *w, double *v)
{
    static double u[MOST * MOST], x[MOST * MOST];
    const size_t rows = c->at.rows, columns = c->at.columns, all = rows * columns;
    const double momentum = (double)c->rule.momentum;
    const bool tall = rows > columns;
    for (size_t k = 0; k < all; k++) {
        v[k] = momentum * v[k] + (double)c->at.g[k];
        u[k] = (double)c->at.g[k] + momentum * v[k];
    }
    double size = norm(u, all) + 1e-7, weights = norm(w, all);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++)
            x[tall ? k * rows + r : r * columns + k] = u[r * columns + k] / size;
    for (int turn = 0; turn < 3; turn++)
        plain_turn(x, tall ? columns : rows, tall ? rows : columns);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < columns; k++) {
            double *to = &w[r * columns + k];
            *to *= weights > 0.0 ? sqrt((double)rows) / weights : 1.0;
            *to -= (double)c->rule.lr * x[tall ? k * rows + r : r * columns + k];
        }
}

/* Twice from random weights, momentum and gradient; the same bits for any number of threads. */
static void check_muon(size_t rows, size_t columns, bool zero)
{
    const size_t all = rows * columns, bytes = all * sizeof(float);
    double *w = guarded_new(all * sizeof *w), *v = guarded_new(all * sizeof *v);
    float *w0 = floats_new(all, REALS), *v0 = floats_new(all, REALS), *g = floats_new(all, REALS);
    float *first = guarded_new(bytes);
    error err = {0};
    muon_case c = {{0.24F, 0.6F},
                   {rows, columns, guarded_new(bytes), guarded_new(bytes), g, NULL, NULL}};
    c.at.work = memory_new(muon_work(rows, columns), sizeof(float), &err);
    c.at.sums = guarded_new(2 * (rows > columns ? rows : columns) * sizeof(double));
    if (zero)
        memset(w0, 0, bytes);
    for (size_t k = 0; k < all; k++) {
        w[k] = (double)w0[k];
        v[k] = (double)v0[k];
    }
    plain_muon(&c, w, v);
    for (int threads = 1; threads <= 3; threads++) {
        memcpy(c.at.w, w0, bytes);
        memcpy(c.at.v, v0, bytes);
        team_run(threads, work, &c);
        if (threads == 1)
            memcpy(first, c.at.w, bytes);
        assert_memory_equal(first, c.at.w, bytes);
        for (size_t k = 0; k < all; k++)
            if (fabs((double)c.at.w[k] - w[k]) > 1e-5 || fabs((double)c.at.v[k] - v[k]) > 1e-6)
                fail_msg("%zu x %zu, %zu: %g, expected %g", rows, columns, k, (double)c.at.w[k],
                         w[k]);
    }
    memory_free(c.at.work);
    void *const lent[] = {w, v, w0, v0, g, first, c.at.w, c.at.v, c.at.sums};
    for (int k = 0; k < COUNT(lent); k++)
        guarded_free(lent[k]);
}

static void test_muon(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1},  {1, 9},   {9, 1},   {6, 27},
                                       {27, 6}, {16, 16}, {17, 40}, {40, 33}};
    for (int k = 0; k < COUNT(shapes); k++)
        check_muon(shapes[k][0], shapes[k][1], false);
    check_muon(5, 18, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_muon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
