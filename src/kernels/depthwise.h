/*
 * depthwise.h - convolutions of each channel by itself with a small kernel: there are few products for each pixel, so each
 * is loaded once for several outputs, the zeros around a plane are in no memory, and the next plane is called into the
 * cache meanwhile; inside this room only
 */
#ifndef BRAMBLE_KERNELS_DEPTHWISE_H
#define BRAMBLE_KERNELS_DEPTHWISE_H

#include "kernels/grouped.h"

enum { DEPTHWISE_COLUMNS = 4, DEPTHWISE_MAX_TAPS = 7 };
enum { DEPTHWISE_MAX_PIXELS = 2 * (DEPTHWISE_COLUMNS - 1) + DEPTHWISE_MAX_TAPS };

/* How a kernel passes over a plane: what is known when it is compiled. */
typedef struct depthwise_kind {
    int size, stride;
    bool dilated; /* by the shape's dilation */
    int parity; /* of the gradient's pixels among the zeros of stride 2: 0 or 1; -1: there are none */
} depthwise_kind;

/*
 * depthwise_fits - a channel in and out for each group; kernels of 3 and 5 with strides of 1 and 2, of 7 with 1; dilated
 * with stride 1 alone
 */
static inline bool depthwise_fits(const grouped_shape *s)
{
    bool strided = s->stride == 2 || s->in.stride == 2;
    return s->in_channels == 1 && s->out_channels == 1 && s->stride <= 2 && s->in.stride <= 2 &&
           (s->kernel == 3 || s->kernel == 5 || (s->kernel == 7 && !strided)) &&
           (s->dilation == 1 || !strided);
}

/* One channel: planes as they are stored. */
typedef struct depthwise {
    const grouped_shape *shape;
    const vec *in;
    const float *w;    /* first tap */
    long w_tap;        /* to the next */
    const float *bias; /* NULL: go on from what stands in out */
    vec *out;
    bool next; /* is there a plane behind this one, which is to be called into the cache? */
} depthwise;

/* depthwise_forward - all of its pixels */
void depthwise_forward(const depthwise *d);

/* depthwise_sums - [ky][kx], of the gradient of its weights; next: as above, of both planes */
void depthwise_sums(const grouped_shape *shape, const vec *in, const vec *gout, bool next,
                    vec *sums);

/* depthwise_window - pixels, or rows, that a line of n outputs sees */
SIMD_INLINE int depthwise_window(const depthwise_kind kind, int n)
{
    return (n - 1) * kind.stride + kind.size;
}

/* depthwise_pixel - of a row of the input; 0 beside it, where not all are known to be inside */
SIMD_INLINE vec depthwise_pixel(const grouped_shape *s, const vec *row, int x, const bool inside)
{
    static const vec zero;
    return *(inside || (x >= 0 && x < s->in.width) ? row + x : &zero);
}

static inline size_t depthwise_plane(const grouped_shape *s)
{
    return (size_t)s->in.height * (size_t)s->in.width;
}

/* depthwise_call - n pixels that are needed soon */
static inline void depthwise_call(const vec *x, size_t n)
{
    const size_t line = VEC_WIDTH < 16 ? 16 / VEC_WIDTH : 1; /* of 64 bytes */
    for (size_t k = 0; k < n; k += line)
        __builtin_prefetch(x + k, 0, 2);
}

#endif
