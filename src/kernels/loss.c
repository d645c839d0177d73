#include "kernels/loss.h"

#include <math.h>

/*
 * exp for x <= 0: x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor series of exp(r) to r^7, and n put
 * into the exponent.  Below -87 the result would be subnormal: 0.  NaN stays NaN.
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
    return (vec)(~(x <= vec_set(-87.0F)) & (ivec)(p * (vec)power));
}

static void softmax_block(int n_classes, const vec *logits, const uint16_t *labels, size_t n,
                          float scale, vec *glogits, const loss_result *result)
{
    vec largest = logits[0];
    ivec guess = ivec_set(0);
    for (int c = 1; c < n_classes; c++) {
        ivec larger = logits[c] > largest;
        largest = vec_select(larger, logits[c], largest);
        guess = (larger & ivec_set(c)) | (~larger & guess);
    }
    vec sum = vec_set(0.0F);
    for (int c = 0; c < n_classes; c++)
        sum += vec_exp(logits[c] - largest);
    for (size_t lane = 0; lane < n; lane++) {
        double logit = (double)logits[labels[lane]][lane] - (double)largest[lane];
        result->loss[lane] = (float)(log((double)sum[lane]) - logit);
        result->guess[lane] = (uint16_t)guess[lane];
    }
    if (!glogits)
        return;
    vec factor = vec_set(0.0F);
    for (size_t lane = 0; lane < n; lane++)
        factor[lane] = scale;
    for (int c = 0; c < n_classes; c++)
        glogits[c] = vec_exp(logits[c] - largest) / sum * factor;
    for (size_t lane = 0; lane < n; lane++)
        glogits[labels[lane]][lane] -= scale;
}

void loss_softmax(int n_classes, const vec *logits, const uint16_t *labels, size_t n, float scale,
                  vec *glogits, const loss_result *result, size_t begin, size_t end)
{
    for (size_t b = begin; b < end; b++) {
        size_t first = b * VEC_WIDTH, at = b * (size_t)n_classes;
        size_t lanes = n <= first ? 0 : n - first < VEC_WIDTH ? n - first : VEC_WIDTH;
        loss_result part = {result->loss + first, result->guess + first};
        softmax_block(n_classes, logits + at, labels + first, lanes, scale,
                      glogits ? glogits + at : NULL, &part);
    }
}
