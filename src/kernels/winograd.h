/*
 * winograd.h - the transforms of Winograd's convolutions F(m x m, k x k) on squares of `side` = m + k - 1 pixels:
 * F(2x2,3x3) on squares of 4, F(4x4,3x3) and F(2x2,5x5) on squares of 6; inside this room only
 *
 * Points 0, 1, -1, (2, -2), infinity.  One dimension each; on a square they are done along one side, then along
 * the other.  Every statement multiplies once at most, or by powers of two alone, so that compilers cannot fuse it
 * in two ways and the bits are the same from all.
 * Source: Lavin and Gray, arXiv:1509.09308.
 */
#ifndef BRAMBLE_KERNELS_WINOGRAD_H
#define BRAMBLE_KERNELS_WINOGRAD_H

#include "kernels/conv.h"
#include "pieces.h"

enum { WINOGRAD_MAX_OUT = 4, WINOGRAD_MAX_SIDE = 6, WINOGRAD_MAX_KERNEL = 5 };

/* winograd_input - pixels to as many values: B' x */
SIMD_INLINE void winograd_input(const int side, const vec *x, vec *y)
{
    if (side == 4) {
        y[0] = x[0] - x[2];
        y[1] = x[1] + x[2];
        y[2] = x[2] - x[1];
        y[3] = x[1] - x[3];
        return;
    }
    vec a = x[4] - 4.0F * x[2], b = x[3] - 4.0F * x[1], c = x[4] - x[2], d = x[3] - x[1];
    vec first = x[4] - 5.0F * x[2], last = x[5] - 5.0F * x[3];
    y[0] = first + 4.0F * x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + 2.0F * d;
    y[4] = c - 2.0F * d;
    y[5] = last + 4.0F * x[1];
}

/* winograd_output - values to m pixels: A' x */
SIMD_INLINE void winograd_output(const int m, const int side, const vec *x, vec *y)
{
    vec p = x[1] + x[2], q = x[1] - x[2];
    if (side == 4) {
        y[0] = x[0] + p;
        y[1] = q - x[3];
        return;
    }
    vec r = x[3] + x[4], s = x[3] - x[4];
    y[0] = (x[0] + p) + r;
    y[1] = q + 2.0F * s;
    if (m == 2) {
        y[1] += x[5];
        return;
    }
    y[2] = p + 4.0F * r;
    y[3] = (q + 8.0F * s) + x[5];
}

/* winograd_spread - m gradients of pixels to values: A x */
SIMD_INLINE void winograd_spread(const int m, const int side, const vec *x, vec *y)
{
    if (m == 2) {
        y[0] = x[0];
        y[1] = x[0] + x[1];
        y[2] = x[0] - x[1];
        if (side == 4) {
            y[3] = -x[1];
            return;
        }
        y[3] = x[0] + 2.0F * x[1];
        y[4] = x[0] - 2.0F * x[1];
        y[5] = x[1];
        return;
    }
    vec even = x[0] + x[2], odd = x[1] + x[3], a = x[0] + 4.0F * x[2], b = x[1] + 4.0F * x[3];
    y[0] = x[0];
    y[1] = even + odd;
    y[2] = even - odd;
    y[3] = a + 2.0F * b;
    y[4] = a - 2.0F * b;
    y[5] = x[3];
}

/* Rows or columns begin .. end - 1 of a square. */
typedef struct winograd_range {
    int begin, end;
} winograd_range;

/* Where a tile lies: places are counted from a plane's first pixel. */
typedef struct winograd_tile {
    long in, out; /* of its square's first pixel, which may be outside; of its own first */
    winograd_range rows,
        columns; /* of the square that are inside of the image, which has no borders */
    int out_rows, out_columns; /* of the tile that exist */
    bool inside;               /* the whole square is */
} winograd_tile;

SIMD_INLINE winograd_range winograd_inside(int begin, int side, int length)
{
    int low = begin < 0 ? -begin : 0, high = length - begin;
    low = low > side ? side : low;
    return (winograd_range){low, high > side ? side : high < low ? low : high};
}

SIMD_INLINE int winograd_tiles(const int m, const conv_shape *s)
{
    return pieces(s->out_width, m) * pieces(s->out_height, m);
}

/* winograd_tile_at - tiles are numbered row by row */
SIMD_INLINE winograd_tile winograd_tile_at(const int m, const int side, const conv_shape *s,
                                           int number)
{
    int tiles_x = pieces(s->out_width, m), y = number / tiles_x * m, x = number % tiles_x * m;
    int height = s->in_height - s->border_top - s->border_bottom;
    int width = s->in_width - s->border_left - s->border_right;
    int in_y = y - s->border_top - s->above, in_x = x - s->border_left - s->before;
    winograd_tile t = {.in = (long)in_y * width + in_x,
                       .out = (long)y * s->out_width + x,
                       .rows = winograd_inside(in_y, side, height),
                       .columns = winograd_inside(in_x, side, width),
                       .out_rows = s->out_height - y < m ? s->out_height - y : m,
                       .out_columns = s->out_width - x < m ? s->out_width - x : m};
    t.inside = t.rows.end - t.rows.begin == side && t.columns.end - t.columns.begin == side;
    return t;
}

/*
 * winograd_rows - where the rows of a tile's square begin, those outside of the image in zeros
 *   from  in  the square's first pixel, at width to the row
 */
SIMD_INLINE void winograd_rows(const int side, const winograd_range *rows, const vec *from,
                               size_t width, const vec **begins)
{
    static const vec zeros[WINOGRAD_MAX_SIDE];
    SIMD_FOR (int y = 0; y < side; y++)
        begins[y] = y >= rows->begin && y < rows->end ? from + (size_t)y * width : zeros;
}

/*
 * winograd_half - half of the rows of values of a square whose rows lie at x, to places `each` apart
 *   spread   in  of a tile's gradients, m x m, else of its pixels
 *   columns  in  that exist; the others are zero
 *   mask     in  lanes that count
 * What the columns give is read back as if a compiler knew nothing of it: it would move some products before the branch for
 * a column outside, where they are not fused.
 */
SIMD_INLINE void winograd_half(const int m, const int side, const bool spread, const int half,
                               const winograd_range columns, const vec *const *x, ivec mask,
                               vec *to, size_t each)
{
    const int length = spread ? m : side, n = side / 2;
    vec line[WINOGRAD_MAX_SIDE], values[WINOGRAD_MAX_SIDE];
    vec rows[WINOGRAD_MAX_SIDE / 2][WINOGRAD_MAX_SIDE];
    SIMD_FOR (int c = 0; c < length; c++) {
        if (c < columns.begin || c >= columns.end) {
            SIMD_FOR (int r = 0; r < n; r++)
                rows[r][c] = (vec){0};
            continue;
        }
        SIMD_FOR (int y = 0; y < length; y++)
            line[y] = (vec)((ivec)vec_in_register(x[y][c]) & mask);
        if (spread)
            winograd_spread(m, side, line, values);
        else
            winograd_input(side, line, values);
        SIMD_FOR (int r = 0; r < n; r++)
            rows[r][c] = values[half * n + r];
    }
    SIMD_FOR (int r = 0; r < n; r++) {
        SIMD_FOR (int c = 0; c < length; c++)
            line[c] = vec_in_register(rows[r][c]);
        if (spread)
            winograd_spread(m, side, line, values);
        else
            winograd_input(side, line, values);
        SIMD_FOR (int j = 0; j < side; j++)
            to[(size_t)(r * side + j) * each] = values[j];
    }
}

#endif
