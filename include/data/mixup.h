/*
 * mixup.h - how much of another image is mixed into one
 *
 * A share is min(l, 1 - l), l distributed as Beta(a, a): an image is never the smaller part of what is made of it.
 * Source: Zhang et al., arXiv:1710.09412.
 */
#ifndef BRAMBLE_DATA_MIXUP_H
#define BRAMBLE_DATA_MIXUP_H

#include <stdint.h>

enum { MIXUP_SHARES = 1024, MIXUP_ONE = 256 };

/* As many quantiles of the distribution, of 256: one of them, each as likely as the next, is a share. */
typedef struct mixup {
    uint8_t share[MIXUP_SHARES];
} mixup;

/* mixup_init - a > 0 */
void mixup_init(mixup *self, double a);

#endif
