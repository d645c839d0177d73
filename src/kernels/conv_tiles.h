/*
 * conv_tiles.h - the tiles of conv_forward.c, which includes it twice: for pixels one by one and for registers full of them
 *   SUM       type of a sum: vec, or vec_row for N_PIXELS neighbours in the row (stride 1); SUM_AT: the same in memory
 *   NAME(x)   x, or with a prefix: what is defined here
 */

#define TAP(kx)                                                                                    \
    do {                                                                                           \
        SIMD_FOR (int m = 0; m < n_m; m++) {                                                       \
            SUM weight = w[(kx)*n_m + m] - (SUM){0};                                               \
            SIMD_FOR (int r = 0; r < n_r; r++)                                                     \
                sum[m][r] += weight * *(const SUM_AT *)&x[(kx) + r * step];                        \
        }                                                                                          \
    } while (0)
/* taps 0: their number and the stride are known only at run time, else the stride is 1 */
SIMD_INLINE void NAME(compute)(const tiles *t, const int n_m, const int n_r, const int taps)
{
    const bool alone = N_PIXELS == 1;
    const int n_taps = taps ? taps : t->n_taps, step = alone ? taps ? 1 : t->stride : N_PIXELS;
    const vec *in = t->in;
    const size_t to = alone ? t->out_step : N_PIXELS;
    vec *out = t->out;
    for (int n = t->n; n > 0; n--, in += n_r * step, out += (size_t)n_r * to) {
        const vec *x = in;
        const float *w = t->w;
        SUM sum[MAX_CHANNELS][MAX_PIXELS];
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                if (t->bias)
                    sum[m][r] = t->bias[m] - (SUM){0};
                else
                    sum[m][r] = *(SUM_AT *)&out[(size_t)m * t->out_plane + (size_t)r * to];
        for (int i = t->n_in; i > 0; i--, x += t->in_skip, w += t->w_skip) {
            for (int ky = t->n_rows; ky > 0; ky--, x += t->in_row, w += t->w_row) {
                /* Unrolled where the number is known, else a turn of the loop for each. */
                SIMD_FOR (int kx = 0; kx < taps; kx++)
                    TAP(kx);
                for (int kx = taps; kx < n_taps; kx++)
                    TAP(kx);
            }
        }
        SIMD_FOR (int m = 0; m < n_m; m++)
            SIMD_FOR (int r = 0; r < n_r; r++)
                *(SUM_AT *)&out[(size_t)m * t->out_plane + (size_t)r * to] = sum[m][r];
    }
}

#define TILE(m, r, k)                                                                              \
    static void NAME(tiles_##m##x##r##_##k)(const tiles *t)                                        \
    {                                                                                              \
        NAME(compute)(t, m, r, k);                                                                 \
    }
OF_ANY(TILE)
OF_TAPS(TILE)

#define ENTRY(m, r, k) [k][m - 1][r - 1] = NAME(tiles_##m##x##r##_##k),
static tile_function *const NAME(tile_functions)[MAX_TAPS + 1][MAX_CHANNELS][MAX_PIXELS] = {
    OF_ANY(ENTRY) OF_TAPS(ENTRY)};

#undef TAP
#undef TILE
#undef ENTRY
#undef SUM
#undef SUM_AT
#undef N_PIXELS
#undef NAME
