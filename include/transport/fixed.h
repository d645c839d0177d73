/*
 * fixed.h - weights as 64-bit fixed-point numbers, the arithmetic under every averaging rule
 *
 * A float w with share s becomes the integer nearest to w * s * 2^40 (ties to even), s having been
 * rounded to 29 significant bits first.  A product of 24 and 29 bits is exact in a double, so
 * nothing here depends on the order of a sum, the machine, or fused multiply-adds.
 *
 * Good for |w| < AVERAGE_LIMIT (2^20) and shares that add up to 1: sums stay below 2^61.
 */
#ifndef BRAMBLE_TRANSPORT_FIXED_H
#define BRAMBLE_TRANSPORT_FIXED_H

#include <stddef.h>
#include <stdint.h>

/* fixed_from_floats - q[i] = w[i] * share; n elements, share in [0, 1] */
void fixed_from_floats(int64_t *restrict q, const float *restrict w, size_t n, double share);

/* fixed_add_floats - q[i] += w[i] * share */
void fixed_add_floats(int64_t *restrict q, const float *restrict w, size_t n, double share);

/* fixed_to_floats - w[i] = q[i] / 2^40, rounded to double and then to float; |q[i]| < 2^62 */
void fixed_to_floats(float *restrict w, const int64_t *restrict q, size_t n);

#endif
