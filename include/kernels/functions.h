/*
 * functions.h - exp, sigmoid, tanh and erf of vectors, for the kernels
 *
 * Polynomials of our own in a fixed order, with fused multiply-adds: the same bits for any width of a vector and any
 * C library.  Errors are the largest found against double precision (tests/unit/test_activation.c); a ulp is
 * 2^-23 of the value's power of two.  NaN stays NaN.
 *
 * Coefficients are minimax fits by Lawson's weighted least squares, rounded to float one after the other, the rest
 * fitted anew each time.
 */
#ifndef BRAMBLE_KERNELS_FUNCTIONS_H
#define BRAMBLE_KERNELS_FUNCTIONS_H

#include "kernels/simd.h"

/*
 * vec_exp - e^x for x <= 0; relative error < 2e-7; 0 from x = -87 downwards, where it would soon be subnormal
 * x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor series of exp(r) to r^7, and n put into the exponent.
 */
SIMD_INLINE vec vec_exp(vec x)
{
    const vec round_by = vec_set(12582912.0F); /* 1.5 * 2^23: adding it leaves an integer */
    ivec far = x <= vec_set(-87.0F);
    x = vec_select(far, vec_set(-87.0F), x); /* further down the integers would overflow */
    vec shifted = x * vec_set(1.44269504F) + round_by;
    vec n = shifted - round_by;
    vec r = x - n * vec_set(0.693359375F); /* ln 2 in two parts, the first exact in products */
    r = r + n * vec_set(2.12194440e-4F);
    vec p = vec_set(1.0F / 5040.0F);
    p = p * r + vec_set(1.0F / 720.0F);
    p = p * r + vec_set(1.0F / 120.0F);
    p = p * r + vec_set(1.0F / 24.0F);
    p = p * r + vec_set(1.0F / 6.0F);
    p = p * r + vec_set(0.5F);
    p = p * r + vec_set(1.0F);
    p = p * r + vec_set(1.0F);
    ivec power = ((ivec)shifted - (ivec)round_by + 127) << 23;
    return (vec)(~far & (ivec)(p * (vec)power));
}

/* vec_abs - |x|; vec_with_sign - |x| with the sign of y */
SIMD_INLINE vec vec_abs(vec x)
{
    return (vec)((ivec)x & ivec_set(0x7fffffff));
}

SIMD_INLINE vec vec_with_sign(vec x, vec y)
{
    return (vec)(((ivec)x & ivec_set(0x7fffffff)) | ((ivec)y & ivec_set(INT32_MIN)));
}

/* vec_sigmoid - 1 / (1 + e^-x); relative error < 3e-7 from x = -87 upwards, below that 0 */
SIMD_INLINE vec vec_sigmoid(vec x)
{
    vec e = vec_exp((vec)((ivec)x | ivec_set(INT32_MIN))); /* of -|x| */
    vec s = vec_set(1.0F) / (vec_set(1.0F) + e);
    return vec_select(x < vec_set(0.0F), e * s, s);
}

/* vec_tanh - tanh x; at most 5 ulp off, at most 1 in size; x P(x^2) / Q(x^2) for |x| <= 9.01, beyond it 1 or -1 */
SIMD_INLINE vec vec_tanh(vec x)
{
    const vec far = vec_set(9.01F), one = vec_set(1.0F);
    vec a = vec_abs(x), s = a * a;
    vec p = vec_set(1.32402524e-08F), q = vec_set(7.73166448e-07F);
    p = p * s + vec_set(2.05331289e-05F);
    q = q * s + vec_set(0.000327836402F);
    p = p * s + vec_set(0.00349127408F);
    q = q * s + vec_set(0.0258608982F);
    p = p * s + vec_set(0.133775011F);
    q = q * s + vec_set(0.46710822F);
    p = p * s + one;
    q = q * s + one;
    vec y = a * p / q;
    return vec_with_sign(vec_select((a > far) | (y > one), one, y), x);
}

/*
 * vec_normal - the normal distribution at x: probability P(X <= x) = (1 + erf(x / sqrt 2)) / 2, absolute error < 2e-7;
 * *bell, unless NULL: e^(-x^2 / 2), relative error < 2e-7 where |x| <= 5 (from there the rounding of x^2 shows, and
 * values are below 4e-6)
 * With t = |x| / sqrt 2, erfc(t) = e^(-t^2) q(t), q a polynomial for t <= 3.9, its value there beyond.
 */
SIMD_INLINE vec vec_normal(vec x, vec *bell)
{
    const vec far = vec_set(3.9F), one = vec_set(1.0F);
    vec e = vec_exp(x * x * vec_set(-0.5F)), t = vec_abs(x) * vec_set(0.707106781F);
    t = vec_select(t > far, far, t);
    vec q = vec_set(-2.93604098e-05F);
    q = q * t + vec_set(0.00050500175F);
    q = q * t + vec_set(-0.00390848471F);
    q = q * t + vec_set(0.018287139F);
    q = q * t + vec_set(-0.0591409318F);
    q = q * t + vec_set(0.144788861F);
    q = q * t + vec_set(-0.288816333F);
    q = q * t + vec_set(0.495740235F);
    q = q * t + vec_set(-0.751377106F);
    q = q * t + vec_set(0.999910474F);
    q = q * t + vec_set(-1.12837601F);
    q = q * t + one;
    if (bell)
        *bell = e;
    ivec above = x > vec_set(0.0F);
    vec half = vec_set(0.5F) * e;
    return q * (vec)((ivec)half ^ (above & ivec_set(INT32_MIN))) + (vec)(above & (ivec)one);
}

#endif
