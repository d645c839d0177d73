/*
 * whitening.h - first filters that make the patches of training images uncorrelated
 *
 * The patches of kernel x kernel pixels of all channels of some images, at every place, have d values and a matrix of
 * second moments with eigenvectors v and eigenvalues l.  Half of the filters are v / sqrt(l + 5e-4), the largest l first,
 * the others the same with the other sign.  A vector's sign makes its largest component positive.
 * Source: K. Jordan, airbench, arXiv:2404.00498; Page, "How to train your ResNet", 2018.
 */
#ifndef BRAMBLE_LAYERS_WHITENING_H
#define BRAMBLE_LAYERS_WHITENING_H

#include "layers/layer.h"

enum { WHITENING_MAX_VALUES = 80 }; /* of a patch */

typedef struct whitening {
    int channels, kernel, n_filters; /* n_filters: even, at most twice the values of a patch */
    double *moments;                 /* [d][d], summed so far */
    double n_patches;
} whitening;

/* whitening_init - for a layer with init = whitening; false with err: memory.  whitening_release frees it. */
bool whitening_init(whitening *self, const layer *of, error *err);
void whitening_release(whitening *self);

/* whitening_add - the patches of an image [channels][height][width], its sides at least the kernel */
void whitening_add(whitening *self, const float *image, int height, int width);

/*
 * whitening_filters - of what was added, at least one patch: w [filter][channel][ky][kx]; moments are then gone
 * false with err: memory
 */
bool whitening_filters(whitening *self, float *w, error *err);

#endif
