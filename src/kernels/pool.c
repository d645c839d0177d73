#include "kernels/pool.h"
#include "pool_window.h"

/* What a window's largest element is, so far. */
typedef struct largest {
    vec value;
    ivec which;
} largest;

/* A NaN is larger than any number, as in PyTorch. */
SIMD_INLINE void compare(largest *best, vec element, int j)
{
    /* NOLINTNEXTLINE(misc-redundant-expression): this is how a NaN is known */
    ivec larger = (element > best->value) | (element != element);
    best->value = vec_select(larger, element, best->value);
    best->which = (larger & ivec_set(j)) | (~larger & best->which);
}

SIMD_INLINE vec take(const pool_shape *s, largest best, ivec *choice)
{
    if (s->relu) {
        ivec cut =
            best.value <= vec_set(0.0F); /* not of NaN: diverged weights must show in the loss */
        best.value = (vec)(~cut & (ivec)best.value);
        best.which |= cut; /* all bits: -1 */
    }
    if (choice)
        *choice = best.which;
    return best.value;
}

SIMD_INLINE void forward_plane(const pool_shape *s, const vec *in, vec *out, ivec *choice,
                               const int size, const int stride)
{
    size_t width = (size_t)s->in_width;
    for (int y = 0; y < s->out_height; y++) {
        const vec *row = in + (size_t)(y * stride) * width;
        for (int x = 0; x < s->out_width; x++) {
            const vec *first = row + (size_t)(x * stride);
            largest best = {*first, ivec_set(0)};
            for (int j = 1; j < size * size; j++)
                compare(&best, first[(size_t)(j / size) * width + (size_t)(j % size)], j);
            *out++ = take(s, best, choice);
            choice = choice ? choice + 1 : NULL;
        }
    }
}

/* A window whose edge may lie in the padding. */
static vec window_max(const pool_shape *s, const vec *in, int y, int x, ivec *choice)
{
    pool_window w = pool_window_at(s, y, x);
    int top = y * s->stride - s->padding, left = x * s->stride - s->padding;
    largest best = {in[(size_t)w.top * (size_t)s->in_width + (size_t)w.left],
                    ivec_set((w.top - top) * s->window + w.left - left)};
    for (int row = w.top; row < w.bottom; row++)
        for (int column = w.left; column < w.right; column++)
            if (row > w.top || column > w.left)
                compare(&best, in[(size_t)row * (size_t)s->in_width + (size_t)column],
                        (row - top) * s->window + column - left);
    return take(s, best, choice);
}

static void forward_padded(const pool_shape *s, const vec *in, vec *out, ivec *choice)
{
    for (int y = 0; y < s->out_height; y++)
        for (int x = 0; x < s->out_width; x++) {
            *out++ = window_max(s, in, y, x, choice);
            choice = choice ? choice + 1 : NULL;
        }
}

void pool_forward(const pool_shape *s, const vec *in, vec *out, ivec *choice, size_t begin,
                  size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    for (size_t p = begin; p < end; p++) {
        ivec *c = choice ? choice + p * out_plane : NULL;
        if (s->padding > 0)
            forward_padded(s, in + p * in_plane, out + p * out_plane, c);
        else if (s->window == 2 && s->stride == 2)
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
            pool_window w = pool_window_at(s, y, x);
            for (int row = w.top; row < w.bottom; row++) {
                int j = (row - y * s->stride + s->padding) * s->window - x * s->stride + s->padding;
                vec *to = gin + (size_t)row * (size_t)s->in_width;
                for (int column = w.left; column < w.right; column++)
                    to[column] += (vec)((*choice == ivec_set(j + column)) & (ivec)*gout);
            }
        }
}

void pool_backward(const pool_shape *s, const vec *gout, const ivec *choice, vec *gin, bool add,
                   size_t begin, size_t end)
{
    size_t in_plane = (size_t)s->in_height * (size_t)s->in_width;
    size_t out_plane = (size_t)s->out_height * (size_t)s->out_width;
    bool tiles = s->window == 2 && s->stride == 2 && s->padding == 0 && s->in_height % 2 == 0 &&
                 s->in_width % 2 == 0;
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
        y[k] = vec_relu(x[k], x[k]);
}

void relu_backward(const vec *y, const vec *gy, vec *gx, bool add, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++) {
        vec g = vec_relu(y[k], gy[k]);
        gx[k] = add ? gx[k] + g : g;
    }
}
