#include "privacy.h"

#include "base/random.h"

#include <math.h>

void privacy_clip(const privacy *self, float *w, const float *before, size_t n)
{
    double squares = 0.0;
    for (size_t k = 0; k < n; k++) {
        const double way = (double)w[k] - (double)before[k];
        squares += way * way;
    }
    const double factor = self->clip / sqrt(squares);
    for (size_t k = 0; k < n && factor < 1.0; k++)
        w[k] = (float)((double)before[k] + factor * ((double)w[k] - (double)before[k]));
}

void privacy_noise(const privacy *self, float *w, size_t n, int n_updates, uint64_t round)
{
    const uint64_t stream = random_stream(RANDOM_NOISE, 0, (uint32_t)round);
    const double deviation = self->noise * self->clip / n_updates;
    for (size_t k = 0; k < n; k++)
        w[k] = (float)((double)w[k] + deviation * random_normal(self->seed, stream, k));
}
