/*
 * info_model.h - what `bramble info` tells of a model file; inside this room only
 */
#ifndef BRAMBLE_CLI_INFO_MODEL_H
#define BRAMBLE_CLI_INFO_MODEL_H

#include "base/error.h"
#include "show/output.h"

#include <stdbool.h>

/*
 * info_describe_model - sizes, arithmetic, and each layer with its settings
 *   name  in  as --model takes it
 * NULL with err (user): no such file, or a mistake in it.
 */
json_t *info_describe_model(const char *name, error *err);

/* info_draw_model - the graph in Graphviz's language (graphviz.org/doc/info/lang.html), printed; false with err, as above */
bool info_draw_model(const char *name, error *err);

#endif
