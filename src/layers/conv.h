/*
 * conv.h - what the two ways of running a convolution share: its settings and its geometry; inside this room only
 */
#ifndef BRAMBLE_LAYERS_CONV_H
#define BRAMBLE_LAYERS_CONV_H

#include "kernels/conv.h"
#include "layers/layer.h"

/* In values, from infer on; CONV_OWN: the first that is free. */
enum {
    CONV_KERNEL,
    CONV_STRIDE,
    CONV_TOP, /* zeros at each edge */
    CONV_BOTTOM,
    CONV_LEFT,
    CONV_RIGHT,
    CONV_GROUPS,
    CONV_DILATION,
    CONV_OWN
};

/*
 * conv_geometry - read the settings, and fill values, out, tensors (weight, and bias unless it is `no`) and flops
 * false with err (user)
 */
bool conv_geometry(layer *self, error *err);

/* conv_padding - of the input in its zeros; conv_is_padded - are there any? */
conv_embedding conv_padding(const layer *self);
bool conv_is_padded(const layer *self);

/*
 * conv_spreading - the gradient of the input is a convolution too: of the gradient of the output, spread by the stride
 * and embedded in zeros, with the filters flipped
 */
conv_embedding conv_spreading(const layer *self);

/* conv_by_blocks - not where the sums of a block, n_sums, take more room than its images: these would leave the cache */
static inline bool conv_by_blocks(const layer *self)
{
    return self->n_sums <= layer_features(self->in[0]) + layer_features(self->out);
}

/* conv_init - as the layer's kind */
void conv_init(const layer *self, float *w, float *statistics, uint64_t seed,
               uint32_t first_stream);

/* conv_grouped_infer - make a layer one, after conv_geometry */
void conv_grouped_infer(layer *self);
extern const layer_kind layer_conv_grouped;

#endif
