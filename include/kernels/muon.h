/*
 * muon.h - Muon's step of a matrix of weights
 *
 * The momentum's direction, made orthogonal by three turns of a Newton-Schulz iteration, takes the place of the
 * gradient, and the weights keep a norm of their own:
 *   v = momentum * v + g;  u = g + momentum * v;  X = u / (||u|| + 1e-7), transposed where it has more rows than
 *   columns;  3 times: A = X X', X = a X + (b A + c A A) X;  w = w * sqrt(rows) / ||w|| - lr * X
 * with a, b, c = 3.4445, -4.7750, 2.0315 and Frobenius norms.  Weights that are all 0 stay what they are before X comes.
 * Source: Jordan, github.com/KellerJordan/Muon and cifar10-airbench (there X is rounded to bfloat16).
 */
#ifndef BRAMBLE_KERNELS_MUON_H
#define BRAMBLE_KERNELS_MUON_H

#include "kernels/team.h"

#include <stddef.h>

typedef struct muon_rule {
    float lr, momentum;
} muon_rule;

/* A matrix, [rows][columns], and room for the work on it. */
typedef struct muon_matrix {
    size_t rows, columns;
    float *w, *v;   /* inout: weights, momentum */
    const float *g; /* in: gradient */
    float *work;    /* muon_work floats, aligned as memory_new's */
    double *sums;   /* 2 * max(rows, columns) */
} muon_matrix;

/* muon_work - floats of room for a matrix */
size_t muon_work(size_t rows, size_t columns);

/* muon_operations - floating-point operations of a step's products, a multiply-add being two */
double muon_operations(size_t rows, size_t columns);

/*
 * muon_step - by every thread of a team, with barriers inside
 * They begin behind a barrier, and end without one.  The same bits for any number of threads and any VEC_WIDTH.
 */
void muon_step(const muon_rule *rule, const muon_matrix *at, const team *us);

#endif
