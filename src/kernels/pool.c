#include "kernels/pool.h"

/* One window: its largest element and which one it was.  A NaN is larger than any number, as in PyTorch. */
SIMD_INLINE vec window_max(const pool_shape *s, const vec *x, int size, ivec *choice)
{
    vec best = x[0];
    ivec which = ivec_set(0);
    for (int j = 1; j < size * size; j++) {
        vec element = x[(size_t)(j / size) * (size_t)s->in_width + (size_t)(j % size)];
        /* NOLINTNEXTLINE(misc-redundant-expression): this is how a NaN is known */
        ivec larger = (element > best) | (element != element);
        best = vec_select(larger, element, best);
        which = (larger & ivec_set(j)) | (~larger & which);
    }
    if (s->relu) {
        ivec cut = best <= vec_set(0.0F); /* not of NaN: diverged weights must show in the loss */
        best = (vec)(~cut & (ivec)best);
        which |= cut; /* all bits: -1 */
    }
    *choice = which;
    return best;
}

SIMD_INLINE void forward_plane(const pool_shape *s, const vec *in, vec *out, ivec *choice,
                               const int size, const int stride)
{
    for (int y = 0; y < s->out_height; y++) {
        const vec *row = in + (size_t)(y * stride) * (size_t)s->in_width;
        for (int x = 0; x < s->out_width; x++) {
            ivec which;
            *out++ = window_max(s, row + (size_t)(x * stride), size, &which);
            if (choice)
                *choice++ = which;
        }
    }
}

void pool_forward(const pool_shape *s, const vec *in, vec *out, ivec *choice, size_t begin,
                  size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    for (size_t p = begin; p < end; p++) {
        ivec *c = choice ? choice + p * out_plane : NULL;
        if (s->window == 2 && s->stride == 2)
            forward_plane(s, in + p * in_plane, out + p * out_plane, c, 2, 2);
        else
            forward_plane(s, in + p * in_plane, out + p * out_plane, c, s->window, s->stride);
    }
}

/* Windows that tile the plane: each element of gin belongs to one window and is written once. */
static void backward_plane_2x2(const pool_shape *s, const vec *gout, const ivec *choice, vec *gin)
{
    size_t width = (size_t)s->in_width;
    for (int y = 0; y < s->out_height; y++) {
        vec *row = gin + (size_t)(2 * y) * width;
        for (int x = 0; x < s->out_width; x++, gout++, choice++) {
            ivec g = (ivec)*gout, c = *choice;
            row[2 * x] = (vec)((c == ivec_set(0)) & g);
            row[2 * x + 1] = (vec)((c == ivec_set(1)) & g);
            row[width + (size_t)(2 * x)] = (vec)((c == ivec_set(2)) & g);
            row[width + (size_t)(2 * x + 1)] = (vec)((c == ivec_set(3)) & g);
        }
    }
}

/* Added to what stands in gin. */
static void backward_plane(const pool_shape *s, const vec *gout, const ivec *choice, vec *gin)
{
    for (int y = 0; y < s->out_height; y++)
        for (int x = 0; x < s->out_width; x++, gout++, choice++) {
            vec *window =
                gin + (size_t)(y * s->stride) * (size_t)s->in_width + (size_t)(x * s->stride);
            for (int j = 0; j < s->window * s->window; j++)
                window[(size_t)(j / s->window) * (size_t)s->in_width + (size_t)(j % s->window)] +=
                    (vec)((*choice == ivec_set(j)) & (ivec)*gout);
        }
}

void pool_backward(const pool_shape *s, const vec *gout, const ivec *choice, vec *gin, bool add,
                   size_t begin, size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    bool tiles = s->window == 2 && s->stride == 2 && s->in_height % 2 == 0 && s->in_width % 2 == 0;
    for (size_t p = begin; p < end; p++) {
        if (!tiles && !add)
            memset(gin + p * in_plane, 0, in_plane * sizeof *gin);
        (tiles && !add ? backward_plane_2x2 : backward_plane)(
            s, gout + p * out_plane, choice + p * out_plane, gin + p * in_plane);
    }
}

void relu_forward(const vec *x, vec *y, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        y[k] = (vec)(~(x[k] <= vec_set(0.0F)) & (ivec)x[k]);
}

void relu_backward(const vec *y, const vec *gy, vec *gx, bool add, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++) {
        vec g = (vec)(~(y[k] <= vec_set(0.0F)) & (ivec)gy[k]);
        gx[k] = add ? gx[k] + g : g;
    }
}
