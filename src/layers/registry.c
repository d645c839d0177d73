#include "layers/layer.h"

#include <string.h>

/* One line for each kind. */
#define LAYER_KINDS(KIND)                                                                          \
    KIND(layer_add)                                                                                \
    KIND(layer_avgpool)                                                                            \
    KIND(layer_batchnorm)                                                                          \
    KIND(layer_concat)                                                                             \
    KIND(layer_conv)                                                                               \
    KIND(layer_dense)                                                                              \
    KIND(layer_dropout)                                                                            \
    KIND(layer_gelu)                                                                               \
    KIND(layer_globalpool)                                                                         \
    KIND(layer_groupnorm)                                                                          \
    KIND(layer_layernorm)                                                                          \
    KIND(layer_maxpool)                                                                            \
    KIND(layer_multiply)                                                                           \
    KIND(layer_prelu)                                                                              \
    KIND(layer_relu)                                                                               \
    KIND(layer_scale)                                                                              \
    KIND(layer_silu)                                                                               \
    KIND(layer_split)                                                                              \
    KIND(layer_tanh)

#define DECLARE(kind) extern const layer_kind kind;
#define LIST(kind) &kind,

LAYER_KINDS(DECLARE)

const layer_kind *const layer_kinds[] = {LAYER_KINDS(LIST) NULL};

const layer_kind *layer_kind_find(const char *name)
{
    for (const layer_kind *const *kind = layer_kinds; *kind; kind++)
        if (strcmp((*kind)->name, name) == 0)
            return *kind;
    return NULL;
}
