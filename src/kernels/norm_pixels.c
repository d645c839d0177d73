#include "kernels/norm.h"

/* Pixels that go through all channels side by side: their sums stay in registers or the level-1 cache, and a row of
 * them is what is read of a channel at once. */
enum { TILE = 16 };

/* A pixel's mean and what its deviation is divided by, inverted. */
typedef struct moments {
    vec mean, inverse;
} moments;

/* Of n <= TILE pixels, from the first channel's on. */
SIMD_INLINE void find_moments(const norm_pixels *self, const vec *x, const size_t n, moments *m)
{
    vec sum[TILE] = {{0}}, squares[TILE] = {{0}}, first[TILE];
    for (size_t k = 0; k < n; k++)
        first[k] = x[k];
    for (size_t c = 0; c < self->channels; c++, x += self->plane)
        SIMD_FOR (size_t k = 0; k < n; k++) {
            vec apart = x[k] - first[k];
            sum[k] += apart;
            squares[k] += apart * apart;
        }
    vec channels = vec_set((float)self->channels);
    for (size_t k = 0; k < n; k++) {
        vec apart = sum[k] / channels, rest = squares[k] - sum[k] * apart;
        rest = (vec)(~(rest < vec_set(0.0F)) & (ivec)rest);
        m[k].mean = first[k] + apart;
        m[k].inverse = norm_inverse_root(rest / channels + vec_set(self->eps));
    }
}

SIMD_INLINE void forward_tile(const norm_pixels *self, const vec *x, const size_t n, vec *y,
                              vec *kept)
{
    moments m[TILE];
    find_moments(self, x, n, m);
    for (size_t c = 0; c < self->channels; c++, x += self->plane, y += self->plane) {
        vec scale = vec_set(self->scale ? self->scale[c] : 1.0F);
        vec shift = vec_set(self->shift ? self->shift[c] : 0.0F);
        SIMD_FOR (size_t k = 0; k < n; k++) {
            vec value = (x[k] - m[k].mean) * m[k].inverse * scale + shift;
            y[k] = self->relu ? vec_relu(value, value) : value;
        }
    }
    for (size_t k = 0; kept && k < n; k++) {
        kept[2 * k] = m[k].mean;
        kept[2 * k + 1] = m[k].inverse;
    }
}

void norm_pixels_forward(const norm_pixels *self, const vec *x, vec *y, vec *kept)
{
    size_t k = 0;
    for (; k + TILE <= self->plane; k += TILE)
        forward_tile(self, x + k, TILE, y + k, kept ? kept + 2 * k : NULL);
    for (; k < self->plane; k++)
        forward_tile(self, x + k, 1, y + k, kept ? kept + 2 * k : NULL);
}

/* What a pixel's gradient is made of. */
typedef struct slopes {
    vec sum[TILE],
        product[TILE]; /* over the channels: of gy * scale, and of that times the normalised x */
} slopes;

/* A channel of a tile: the normalised x, and what a ReLU let through of gy. */
SIMD_INLINE vec normalised(vec x, const vec *kept, size_t k)
{
    return (x - kept[2 * k]) * kept[2 * k + 1];
}

SIMD_INLINE vec let_through(const norm_pixels *self, vec normal, vec scale, vec shift, vec gy)
{
    vec value = normal * scale + shift;
    return self->relu ? vec_relu(value, gy) : gy;
}

SIMD_INLINE void sum_tile(const norm_pixels *self, const vec *x, const vec *gy, const vec *kept,
                          const size_t n, vec *sums, slopes *of)
{
    *of = (slopes){.sum = {{0}}};
    for (size_t c = 0; c < self->channels; c++, x += self->plane, gy += self->plane) {
        vec scale = vec_set(self->scale ? self->scale[c] : 1.0F);
        vec shift = vec_set(self->shift ? self->shift[c] : 0.0F);
        vec along = {0}, across = {0};
        SIMD_FOR (size_t k = 0; k < n; k++) {
            vec normal = normalised(x[k], kept, k),
                g = let_through(self, normal, scale, shift, gy[k]);
            vec scaled = vec_in_register(g * scale); /* rounded alike for both sums */
            along += g;
            across += g * normal;
            of->sum[k] += scaled;
            of->product[k] += scaled * normal;
        }
        sums[2 * c] += along;
        sums[2 * c + 1] += across;
    }
}

SIMD_INLINE void spread_tile(const norm_pixels *self, const vec *x, const vec *gy, const vec *kept,
                             const size_t n, const slopes *of, vec *gx, bool add)
{
    vec channels = vec_set((float)self->channels), along[TILE], across[TILE];
    for (size_t k = 0; k < n; k++) {
        along[k] = of->sum[k] / channels;
        across[k] = of->product[k] / channels;
    }
    for (size_t c = 0; c < self->channels;
         c++, x += self->plane, gy += self->plane, gx += self->plane) {
        vec scale = vec_set(self->scale ? self->scale[c] : 1.0F);
        vec shift = vec_set(self->shift ? self->shift[c] : 0.0F);
        SIMD_FOR (size_t k = 0; k < n; k++) {
            vec normal = normalised(x[k], kept, k),
                g = let_through(self, normal, scale, shift, gy[k]);
            vec apart = g * scale - along[k];
            vec slope = vec_in_register((apart - normal * across[k]) * kept[2 * k + 1]);
            gx[k] = add ? gx[k] + slope : slope;
        }
    }
}

SIMD_INLINE void backward_tile(const norm_pixels *self, const vec *x, const vec *gy,
                               const vec *kept, const size_t n, vec *gx, bool add, vec *sums)
{
    slopes of;
    sum_tile(self, x, gy, kept, n, sums, &of);
    if (gx)
        spread_tile(self, x, gy, kept, n, &of, gx, add);
}

void norm_pixels_backward(const norm_pixels *self, const vec *x, const vec *gy, const vec *kept,
                          vec *gx, bool add, vec *sums)
{
    size_t k = 0;
    for (size_t c = 0; c < 2 * self->channels; c++)
        sums[c] = vec_set(0.0F);
    for (; k + TILE <= self->plane; k += TILE)
        backward_tile(self, x + k, gy + k, kept + 2 * k, TILE, gx ? gx + k : NULL, add, sums);
    for (; k < self->plane; k++)
        backward_tile(self, x + k, gy + k, kept + 2 * k, 1, gx ? gx + k : NULL, add, sums);
}
