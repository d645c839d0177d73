/*
 * build.h - from layers with their kinds, settings and inputs to a whole model; inside this room only
 */
#ifndef BRAMBLE_MODEL_BUILD_H
#define BRAMBLE_MODEL_BUILD_H

#include "model/model.h"

/*
 * build_model - shapes, absorption, the flat vector, its tensors and groups
 *   self   inout  name, input, n_classes, and layers, at least one, as parse_model leaves them
 *   where  in     the file's name in messages
 * false with err (user: inputs that are not before the layer, or the same; a layer that nobody reads, and is not the
 * last; shapes that do not fit; environment: memory).
 */
bool build_model(model *self, const char *where, error *err);

/* build_outline - the same, but nothing is absorbed: a model to look at */
bool build_outline(model *self, const char *where, error *err);

#endif
