/*
 * matrix.h - products of matrices whose rows are padded
 */
#ifndef BRAMBLE_KERNELS_MATRIX_H
#define BRAMBLE_KERNELS_MATRIX_H

#include <stddef.h>

enum {
    MATRIX_PAD = 16
}; /* columns of a padded row come in so many: a multiple of VEC_WIDTH on every machine */

/* C = beta * (P Q + alpha * D) */
typedef struct matrix_product {
    const float *p; /* element (r, k) at p[r * p_row + k * p_step] */
    size_t p_row, p_step;
    const float *q; /* [n_terms][stride] */
    size_t n_terms;
    const float *d; /* as c; NULL: 0 */
    float *c;       /* [rows][stride]; none of the others, or d */
    size_t
        stride; /* of the padded rows of q, d and c: a multiple of MATRIX_PAD; all of it is computed */
    float alpha, beta;
} matrix_product;

/*
 * matrix_multiply - rows begin .. end - 1 of C
 * An element is the sum over k = 0, 1, ... of P(r, k) * Q(k, c), from 0, then alpha times D's is added, all with fused
 * multiply-adds, and beta multiplied: the same bits for any VEC_WIDTH and any division of the rows.
 */
void matrix_multiply(const matrix_product *self, size_t begin, size_t end);

#endif
