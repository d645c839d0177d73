#include "model/outer.h"

static void lookahead(const outer_settings *settings, float *restrict w,
                      const float *restrict before, float *const *states, size_t n, uint64_t round)
{
    double done = settings->averages > 0 ? (double)(round + 1) / (double)settings->averages : 1.0;
    done = done < 1.0 ? done : 1.0;
    const float rate = (float)(1.0 - settings->keep * done * done * done);
    (void)states;
    for (size_t k = 0; k < n; k++)
        w[k] = before[k] + rate * (w[k] - before[k]);
}

const outer_rule outer_lookahead = {
    .name = "lookahead",
    .apply = lookahead,
};
