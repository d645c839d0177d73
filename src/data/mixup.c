#include "data/mixup.h"

#include <math.h>

/*
 * The density of l below 1/2 is l^(a-1) (1-l)^(a-1).  In v = l^a it is (1-l)^(a-1), without a pole: summed up in small
 * steps, it gives the quantiles in one pass.
 */
void mixup_init(mixup *self, double a)
{
    enum { STEPS = 1 << 14 };
    double end = pow(0.5, a), all = 0.0, sum = 0.0;
    for (int i = 0; i < STEPS; i++)
        all += pow(1.0 - pow(end * (i + 0.5) / STEPS, 1.0 / a), a - 1.0);
    for (int i = 0, k = 0; i < STEPS; i++) {
        double l = pow(end * (i + 0.5) / STEPS, 1.0 / a);
        sum += pow(1.0 - l, a - 1.0);
        for (; k < MIXUP_SHARES && sum >= all * (k + 0.5) / MIXUP_SHARES; k++)
            self->share[k] = (uint8_t)(MIXUP_ONE * l + 0.5);
    }
}
