/*
 * norm.h - what the kinds of normalisation have in common; inside this room only
 *
 * A weight and a bias for each channel (`scale`, `bias`; both unless told otherwise), eps, and a ReLU behind, which is
 * done in the same pass over memory.
 */
#ifndef BRAMBLE_LAYERS_NORM_H
#define BRAMBLE_LAYERS_NORM_H

#include "kernels/norm.h"
#include "layers/layer.h"

#define NORM_SETTINGS "eps", "scale", "bias"

enum { NORM_SCALE, NORM_BIAS, NORM_RELU, NORM_VALUES }; /* in layer.values; each 0 or 1 */
enum { NORM_EPS };                                      /* in layer.reals */

/* norm_infer - settings, the shape, weight and bias */
bool norm_infer(layer *self, error *err);

/* norm_init - weights 1, biases 0 */
void norm_init(const layer *self, float *w, float *statistics, uint64_t seed,
               uint32_t first_stream);

/* norm_extend - take over a ReLU */
bool norm_extend(layer *self, const layer *next);

/* norm_scale, norm_shift - of channel c; norm_plane - its pixels */
float norm_scale(const layer *self, const layer_pass *pass, size_t c);
float norm_shift(const layer *self, const layer_pass *pass, size_t c);
size_t norm_plane(const layer *self);

/* norm_put - the gradients of a channel's shift and scale, where it has them */
void norm_put(const layer *self, const layer_pass *pass, size_t c, norm_pair g);

/* norm_collect - the same from the blocks' sums, [channels][2] */
void norm_collect(const layer *self, const layer_pass *pass, const team *us);

#endif
