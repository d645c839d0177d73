/*
 * parse.h - from a model file's text to layers with their kinds, settings and inputs; inside this room only
 */
#ifndef BRAMBLE_MODEL_PARSE_H
#define BRAMBLE_MODEL_PARSE_H

#include "model/model.h"

/*
 * parse_model - fill name, input, classes and layers, of which there is room for MODEL_MAX_LAYERS
 * Each layer takes its data from the one above, or from those that it names.  false with err (user), "where:line: what was expected".
 */
bool parse_model(model *self, const char *where, const char *text, error *err);

#endif
