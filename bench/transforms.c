/*
 * transforms: Winograd's, of a whole square, as straight code; for tools/bench-static, which counts the instructions.
 * Never run: what the kernels do between loads of pixels and stores of values, borders and prefetches left out.
 */
#include "../src/kernels/winograd.h"

#define TRANSFORM(name, of, n_in, n_out)                                                           \
    void name(const vec *x, vec *y);                                                               \
    void name(const vec *x, vec *y)                                                                \
    {                                                                                              \
        vec half[n_out][n_in], line[n_in], values[n_out];                                          \
        SIMD_FOR (int c = 0; c < (n_in); c++) {                                                    \
            SIMD_FOR (int r = 0; r < (n_in); r++)                                                  \
                line[r] = vec_in_register(x[r * (n_in) + c]);                                      \
            of(line, values);                                                                      \
            SIMD_FOR (int r = 0; r < (n_out); r++)                                                 \
                half[r][c] = values[r];                                                            \
        }                                                                                          \
        SIMD_FOR (int r = 0; r < (n_out); r++) {                                                   \
            SIMD_FOR (int c = 0; c < (n_in); c++)                                                  \
                line[c] = vec_in_register(half[r][c]);                                             \
            of(line, y + r * (n_out));                                                             \
        }                                                                                          \
    }

#define PIXELS_2(x, y) winograd_input(4, x, y)
#define PIXELS_4(x, y) winograd_input(6, x, y)
#define SUMS_2(x, y) winograd_output(2, 4, x, y)
#define SUMS_4(x, y) winograd_output(4, 6, x, y)
#define SPREAD_2(x, y) winograd_spread(2, 4, x, y)
#define SPREAD_4(x, y) winograd_spread(4, 6, x, y)
TRANSFORM(pixels_f2, PIXELS_2, 4, 4)
TRANSFORM(pixels_f4, PIXELS_4, 6, 6)
TRANSFORM(sums_f2, SUMS_2, 4, 2)
TRANSFORM(sums_f4, SUMS_4, 6, 4)
TRANSFORM(gradients_f2, SPREAD_2, 2, 4)
TRANSFORM(gradients_f4, SPREAD_4, 4, 6)
