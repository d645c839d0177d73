#include "kernels/loss.h"

#include "kernels/functions.h"

#include <math.h>

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
