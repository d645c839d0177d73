/*
 * pooling.h - what the kinds that pool by windows have in common; inside this room only
 */
#ifndef BRAMBLE_LAYERS_POOLING_H
#define BRAMBLE_LAYERS_POOLING_H

#include "layers/layer.h"

#define POOLING_SETTINGS "window", "stride", "padding"

enum { POOLING_WINDOW, POOLING_STRIDE, POOLING_PADDING, POOLING_VALUES }; /* in layer.values */

/* pooling_infer - settings and the shape */
bool pooling_infer(layer *self, error *err);

/* pooling_plan - a pool_shape, without ReLU */
void pooling_plan(layer *self, int n_threads, void *plan);

#endif
