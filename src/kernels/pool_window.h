/*
 * pool_window.h - where a pooling's window lies in its plane; inside this module only
 */
#ifndef BRAMBLE_KERNELS_POOL_WINDOW_H
#define BRAMBLE_KERNELS_POOL_WINDOW_H

#include "kernels/pool.h"

/* Rows top .. bottom - 1, columns left .. right - 1: what of it is no padding. */
typedef struct pool_window {
    int top, bottom, left, right;
} pool_window;

/* pool_window_at - of output (y, x) */
static inline pool_window pool_window_at(const pool_shape *s, int y, int x)
{
    int top = y * s->stride - s->padding, left = x * s->stride - s->padding;
    int bottom = top + s->window, right = left + s->window;
    return (pool_window){top > 0 ? top : 0, bottom < s->in_height ? bottom : s->in_height,
                         left > 0 ? left : 0, right < s->in_width ? right : s->in_width};
}

#endif
