#include "kernels/activation.h"

#include "kernels/functions.h"

/* 2 sqrt(2 / pi), and 0.044715 times that: 1 + tanh(u) = 2 sigmoid(2 u). */
#define TWO_U 1.59576912F
#define TWO_U_CUBE 0.0713548163F
#define BELL 0.39894228F /* 1 / sqrt(2 pi) */

SIMD_INLINE vec value(const enum activation f, vec x)
{
    vec square = x * x;
    switch (f) {
    case ACTIVATION_GELU:
        return x * vec_normal(x, NULL);
    case ACTIVATION_GELU_TANH:
        return x * vec_sigmoid(x * (square * vec_set(TWO_U_CUBE) + vec_set(TWO_U)));
    case ACTIVATION_SILU:
        return x * vec_sigmoid(x);
    default:
        return vec_tanh(x);
    }
}

/* f' at x; of tanh, where its value is x.  With s = sigmoid(z): (x s)' = s (1 + x z' (1 - s)). */
SIMD_INLINE vec slope(const enum activation f, vec x)
{
    const vec one = vec_set(1.0F);
    vec square = x * x, bell, s, by;
    switch (f) {
    case ACTIVATION_GELU:
        s = vec_normal(x, &bell);
        return x * vec_set(BELL) * bell + s;
    case ACTIVATION_GELU_TANH:
        s = vec_sigmoid(x * (square * vec_set(TWO_U_CUBE) + vec_set(TWO_U)));
        by = x * (square * vec_set(3.0F * TWO_U_CUBE) + vec_set(TWO_U));
        return s * (by * (one - s) + one);
    case ACTIVATION_SILU:
        s = vec_sigmoid(x);
        return s * (x * (one - s) + one);
    default:
        return one - square;
    }
}

SIMD_INLINE void forward(const enum activation f, const vec *x, vec *y, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        y[k] = value(f, x[k]);
}

SIMD_INLINE void backward(const enum activation f, const vec *at, const vec *gy, vec *gx,
                          const bool add, size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k++)
        gx[k] = add ? slope(f, at[k]) * gy[k] + gx[k] : slope(f, at[k]) * gy[k];
}

/* One loop for each function: what is in it is known when it is compiled. */
#define EACH(CASE)                                                                                 \
    switch (f) {                                                                                   \
        CASE(ACTIVATION_GELU)                                                                      \
        CASE(ACTIVATION_GELU_TANH)                                                                 \
        CASE(ACTIVATION_SILU)                                                                      \
        CASE(ACTIVATION_TANH)                                                                      \
    }
#define FORWARD(which)                                                                             \
    case which:                                                                                    \
        forward(which, x, y, begin, end);                                                          \
        break;
#define BACKWARD(which)                                                                            \
    case which:                                                                                    \
        if (add)                                                                                   \
            backward(which, at, gy, gx, true, begin, end);                                         \
        else                                                                                       \
            backward(which, at, gy, gx, false, begin, end);                                        \
        break;

void activation_forward(enum activation f, const vec *x, vec *y, size_t begin, size_t end)
{
    EACH(FORWARD)
}

void activation_backward(enum activation f, const vec *at, const vec *gy, vec *gx, bool add,
                         size_t begin, size_t end)
{
    EACH(BACKWARD)
}
