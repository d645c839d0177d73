/*
 * onnx_words.h - what the kinds of layers are in ONNX, a function each; inside this room only
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_WORDS_H
#define BRAMBLE_EXCHANGE_ONNX_WORDS_H

#include "onnx_put.h"

/* A layer that is being written. */
typedef struct onnx_words {
    onnx_writer *to;
    const layer *l;
    onnx_made *made; /* the layer's: value is set; a kind sets flat */
    const char *name;
    onnx_made in[LAYER_MAX_INPUTS];
} onnx_words;

#define INPUTS(...)                                                                                \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* onnx_setting, _whole, _real - what the model file says of the layer, or the fallback */
const char *onnx_setting(const layer *l, const char *name, const char *fallback);
int64_t onnx_setting_whole(const layer *l, const char *name, int64_t fallback);
double onnx_setting_real(const layer *l, const char *name, double fallback);

/* onnx_part - "NAME.word", a node's name; onnx_value_of - that of its output; both give `name`
 * onnx_weight - the name of the layer's tensor NAME.suffix; NULL: it has none */
char *onnx_part(const onnx_words *w, const char *word, onnx_name name);
char *onnx_value_of(const onnx_words *w, const char *word, onnx_name name);
const char *onnx_weight(const onnx_words *w, const char *suffix);

/* onnx_image_of - input i as [N, channels, height, width], by a node where it is none; onnx_flat_of - input 0 as
 * [N, features]; onnx_align - all inputs as one or the other, and the output */
const char *onnx_image_of(onnx_words *w, int i);
const char *onnx_flat_of(onnx_words *w);
void onnx_align(onnx_words *w);

/* onnx_plain - the layer is a node of that operator, without attributes, of input 0 */
void onnx_plain(const onnx_words *w, const char *op);

/* The kinds. */
typedef void onnx_kind(onnx_words *w);
onnx_kind onnx_words_conv, onnx_words_dense, onnx_words_maxpool, onnx_words_avgpool,
    onnx_words_globalpool, onnx_words_batchnorm, onnx_words_layernorm, onnx_words_groupnorm;
onnx_kind onnx_words_relu, onnx_words_prelu, onnx_words_gelu, onnx_words_silu, onnx_words_tanh,
    onnx_words_dropout, onnx_words_scale, onnx_words_add, onnx_words_multiply, onnx_words_concat,
    onnx_words_split;

#endif
