/*
 * privacy.h - updates of bounded length, and noise on their mean: what one worker has sent can no longer be told
 *
 * A worker's update is its way from the weights everyone went on from; all updates count alike, whatever the number of
 * images.  The noise is a function of the seed and the round, the same bits on every rank: it shows what privacy costs,
 * but protects nobody from who knows the seed.
 * Source: DP-FedAvg with fixed clipping, McMahan et al., arXiv:1710.06963.
 */
#ifndef BRAMBLE_TRAIN_PRIVACY_H
#define BRAMBLE_TRAIN_PRIVACY_H

#include <stddef.h>
#include <stdint.h>

typedef struct privacy {
    double clip;  /* C, the largest L2 norm of an update; 0: any */
    double noise; /* S; 0: none */
    uint64_t seed;
} privacy;

/* privacy_clip - an update longer than C is shortened to C: w of n goes back towards before.  Not collective. */
void privacy_clip(const privacy *self, float *w, const float *before, size_t n);

/*
 * privacy_noise - add to each of n numbers of w, the mean of n_updates, noise of a normal distribution with standard
 *                 deviation S C / n_updates, of this round.  Not collective; the same bits on every rank.
 */
void privacy_noise(const privacy *self, float *w, size_t n, int n_updates, uint64_t round);

#endif
