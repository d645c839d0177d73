#include "kernels/loss.h"

#include "kernels/functions.h"

#include <math.h>

/* The sum over the classes of logit - largest, which smoothing weighs alike. */
static vec spread_logits(int n_classes, const vec *logits, vec largest)
{
    vec sum = vec_set(0.0F);
    for (int c = 0; c < n_classes; c++)
        sum += logits[c] - largest;
    return sum;
}

static void softmax_gradient(int n_classes, const vec *logits, const uint16_t *labels, size_t n,
                             const loss_rule *rule, vec *glogits, vec largest, vec sum)
{
    float own = rule->scale * (1.0F - rule->smoothing);
    vec factor = vec_set(0.0F), shared = vec_set(0.0F);
    for (size_t lane = 0; lane < n; lane++) {
        factor[lane] = rule->scale;
        shared[lane] = rule->scale * rule->smoothing / (float)n_classes;
    }
    for (int c = 0; c < n_classes; c++)
        glogits[c] = vec_exp(logits[c] - largest) / sum * factor;
    for (int c = 0; rule->smoothing > 0.0F && c < n_classes; c++)
        glogits[c] -= shared;
    for (size_t lane = 0; lane < n; lane++) {
        float other = rule->shares ? own * rule->shares[lane] : 0.0F;
        glogits[labels[lane]][lane] -= own - other;
        if (rule->shares)
            glogits[rule->others[lane]][lane] -= other;
    }
}

static void softmax_block(int n_classes, const vec *logits, const uint16_t *labels, size_t n,
                          const loss_rule *rule, vec *glogits, const loss_result *result)
{
    vec largest = logits[0], spread = vec_set(0.0F);
    ivec guess = ivec_set(0);
    for (int c = 1; c < n_classes; c++) {
        ivec larger = logits[c] > largest;
        largest = vec_select(larger, logits[c], largest);
        guess = (larger & ivec_set(c)) | (~larger & guess);
    }
    vec sum = vec_set(0.0F);
    for (int c = 0; c < n_classes; c++)
        sum += vec_exp(logits[c] - largest);
    double s = (double)rule->smoothing;
    if (s > 0.0)
        spread = spread_logits(n_classes, logits, largest);
    for (size_t lane = 0; lane < n; lane++) {
        double logit = (double)logits[labels[lane]][lane] - (double)largest[lane];
        double share = rule->shares ? (double)rule->shares[lane] : 0.0;
        if (share > 0.0) {
            double other = (double)logits[rule->others[lane]][lane] - (double)largest[lane];
            logit = (1.0 - share) * logit + share * other;
        }
        if (s > 0.0)
            logit = (1.0 - s) * logit + s / n_classes * (double)spread[lane];
        result->loss[lane] = (float)(log((double)sum[lane]) - logit);
        result->guess[lane] = (uint16_t)guess[lane];
    }
    if (glogits)
        softmax_gradient(n_classes, logits, labels, n, rule, glogits, largest, sum);
}

void loss_softmax(int n_classes, const vec *logits, const uint16_t *labels, size_t n,
                  const loss_rule *rule, vec *glogits, const loss_result *result, size_t begin,
                  size_t end)
{
    for (size_t b = begin; b < end; b++) {
        size_t first = b * VEC_WIDTH, at = b * (size_t)n_classes;
        size_t lanes = n <= first ? 0 : n - first < VEC_WIDTH ? n - first : VEC_WIDTH;
        loss_result part = {result->loss + first, result->guess + first};
        loss_rule its = *rule;
        if (rule->shares) {
            its.others += first;
            its.shares += first;
        }
        softmax_block(n_classes, logits + at, labels + first, lanes, &its,
                      glogits ? glogits + at : NULL, &part);
    }
}
