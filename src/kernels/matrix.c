#include "kernels/matrix.h"

#include "kernels/simd.h"

enum { ROWS = 6, VECS = 2 }; /* of a tile: its sums, and a row of q, stay in 16 registers */

/* A tile of n_rows x n_vecs vectors, both constant where it is called. */
SIMD_INLINE void tile(const matrix_product *m, size_t row, size_t column, size_t n_rows,
                      size_t n_vecs)
{
    vec sum[ROWS][VECS] = {{{0}}};
    const float *p = m->p + row * m->p_row, *q = m->q + column;
    for (size_t k = 0; k < m->n_terms; k++, p += m->p_step, q += m->stride)
        SIMD_FOR (size_t r = 0; r < n_rows; r++) {
            vec factor = vec_set(p[r * m->p_row]);
            SIMD_FOR (size_t v = 0; v < n_vecs; v++)
                sum[r][v] += factor * vec_load(q + v * VEC_WIDTH);
        }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t v = 0; v < n_vecs; v++) {
            size_t at = (row + r) * m->stride + column + v * VEC_WIDTH;
            vec c = sum[r][v];
            if (m->d)
                c += vec_set(m->alpha) * vec_load(m->d + at);
            vec_store(m->c + at, vec_set(m->beta) * c);
        }
}

SIMD_INLINE void tile_row(const matrix_product *m, size_t row, size_t n_rows)
{
    size_t column = 0;
    for (; column + VECS * VEC_WIDTH <= m->stride; column += VECS * VEC_WIDTH)
        tile(m, row, column, n_rows, VECS);
    for (; column < m->stride; column += VEC_WIDTH)
        tile(m, row, column, n_rows, 1);
}

void matrix_multiply(const matrix_product *self, size_t begin, size_t end)
{
    size_t row = begin;
    for (; row + ROWS <= end; row += ROWS)
        tile_row(self, row, ROWS);
    for (; row < end; row++)
        tile_row(self, row, 1);
}
