#include "layers/layer.h"

#include <string.h>

extern const layer_kind layer_conv, layer_dense, layer_maxpool, layer_relu;

/* One line per kind of layer. */
const layer_kind *const layer_kinds[] = {
    /* clang-format off */
    &layer_conv,
    &layer_dense,
    &layer_maxpool,
    &layer_relu,
    NULL,
    /* clang-format on */
};

const layer_kind *layer_kind_find(const char *name)
{
    for (const layer_kind *const *kind = layer_kinds; *kind; kind++)
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}
