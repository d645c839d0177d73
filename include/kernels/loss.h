/*
 * loss.h - softmax and cross-entropy
 */
#ifndef BRAMBLE_KERNELS_LOSS_H
#define BRAMBLE_KERNELS_LOSS_H

#include "kernels/simd.h"

#include <stddef.h>
#include <stdint.h>

/*
 * loss_softmax - cross-entropy of the logits and its gradient
 *   logits   in   [block][n_classes]
 *   labels   in   n below n_classes, which is at most 65,536
 *   n        in   images; those past it get gradient 0
 *   rule     in   scale: factor of the gradient, 1 / images of the batch for the mean loss; smoothing: share s of a
 *                 label that is spread over all classes, q = (1 - s) * one-hot + s / n_classes; others and shares: in
 *                 place of one-hot (1 - share) of the label and share of the other class; NULL: none
 *   glogits  out  as logits: scale * (softmax - q); NULL for none
 *   loss     out  n floats: -sum of q * log softmax; without smoothing -log softmax[label]
 *   guess    out  n: the class of the largest logit, the first of equals
 * Items: blocks begin .. end - 1.  exp is a polynomial of our own, so that bits do not depend on the C
 * library; |error| < 2e-7 relative.
 * Source: Szegedy et al., arXiv:1512.00567 (label smoothing), as torch.nn.CrossEntropyLoss has it.
 */
typedef struct loss_rule {
    float scale, smoothing; /* smoothing 0 .. 1 */
    const uint16_t *others; /* of each image, below n_classes */
    const float *shares;    /* 0 .. 1 */
} loss_rule;
typedef struct loss_result {
    float *loss;
    uint16_t *guess;
} loss_result;
void loss_softmax(int n_classes, const vec *logits, const uint16_t *labels, size_t n,
                  const loss_rule *rule, vec *glogits, const loss_result *result, size_t begin,
                  size_t end);

#endif
