/*
 * onnx_value.h - what the values of a graph are while it is translated; inside this room only
 *
 * Nodes are gone through in their order.  Each value is a constant, a row of whole numbers (a shape), or what an image
 * becomes: a function, element by element, of a layer's output.  Elementwise operators only put such functions together,
 * as their values at some points; when another operator reads one, the function is known again by these (a GELU of five
 * nodes is a gelu, however they are ordered), and becomes a layer.
 */
#ifndef BRAMBLE_EXCHANGE_ONNX_VALUE_H
#define BRAMBLE_EXCHANGE_ONNX_VALUE_H

#include "exchange/exchange.h"
#include "onnx_file.h"

/* ---- values ------------------------------------------------------------------------------------ */

enum { ONNX_POINTS = 32, ONNX_SHAPE = 8 };
#define ONNX_BATCH INT64_MIN /* in a row of whole numbers: the number of images */

enum onnx_form { ONNX_NOTHING = 0, ONNX_CONSTANT, ONNX_WHOLES, ONNX_DATA };

/* [N, channels, height, width]; with channels last; [N, features]; [N, groups, features of a group] */
enum onnx_axes { ONNX_IMAGE = 0, ONNX_LAST, ONNX_FLAT, ONNX_GROUPS };

typedef struct onnx_value {
    enum onnx_form form;
    /* a constant: an array of the file, of other dims perhaps, or with its two axes changed */
    onnx_tensor array;
    bool transposed;
    bool is_weight; /* an initializer: no Constant node's */
    /* whole numbers */
    int64_t wholes[ONNX_SHAPE];
    int n_wholes;
    /* data */
    int layer; /* LAYER_IMAGES or more */
    layer_shape shape;
    enum onnx_axes axes;
    int groups;                 /* of ONNX_GROUPS */
    bool own;                   /* the layer's output itself; else: */
    double points[ONNX_POINTS]; /* of the function, where the layer gives onnx_point(k) */
    int node, depth;            /* where it comes from, and by how many nodes */
    int half;                   /* 1, 2: of the channels; 0: all of them */
    bool is_padded;             /* a Pad node, `node`, has put zeros around the image: */
    int64_t pads[4];            /* top, left, bottom, right */
    bool alone; /* nobody else reads the layer, or what came of it on the way here */
} onnx_value;

/* ---- layers ------------------------------------------------------------------------------------ */

enum { ONNX_SETTINGS_BYTES = 192, ONNX_SHORT_NAME = 40 };

typedef struct onnx_layer {
    char kind[16], name[ONNX_SHORT_NAME + 8];
    int inputs[LAYER_MAX_INPUTS], n_inputs;
    layer_shape out;
    char settings[ONNX_SETTINGS_BYTES]; /* lines */
    bool no_scale, no_bias;             /* what it could have, and has not */
} onnx_layer;

typedef struct onnx_translation onnx_translation;

/* What an operator does: it gives all of a node's outputs, or false with err. */
typedef bool onnx_operator(onnx_translation *self, int node);

struct onnx_translation {
    const onnx_file *file;
    exchange_file *out;
    onnx_value *values; /* of each of the file's */
    int *n_readers; /* of each value, by nodes that are needed; the graph's output is one more */
    bool *needed;   /* of each node */
    onnx_layer *layers; /* n_layers, room for MODEL_MAX_LAYERS */
    int n_layers;
    int64_t n_images; /* that the graph is for; -1: any */
    /* what is done to pixels before the first layer: x = pixel * by + plus, for each channel */
    double *by, *plus;
    bool normalises;
    onnx_operator *again; /* the operator of a node, whatever it is, once more */
    error *err;
};

/* ---- nodes and values ---------------------------------------------------------------------------- */

static inline const onnx_node *onnx_node_of(const onnx_translation *self, int node)
{
    return &self->file->nodes[node];
}

/* onnx_shown, onnx_text_of - for "%.*s" in messages: how much of a text, and the text */
enum { ONNX_SHOWN = 64 };
static inline int onnx_shown(proto_span text)
{
    return text.n < ONNX_SHOWN ? (int)text.n : ONNX_SHOWN;
}

static inline const char *onnx_text_of(proto_span text)
{
    return (const char *)text.at;
}

/* onnx_refuse - false with err (user): which node, its operator, and what */
bool onnx_refuse(onnx_translation *self, int node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* onnx_refuse_kind - false with err (user): the operator is none of our kinds */
bool onnx_refuse_kind(onnx_translation *self, int node);

/* onnx_given - has the node an input i? */
bool onnx_given(const onnx_translation *self, int node, int i);

/* onnx_input - input i of a node, which is there; else NULL with err */
onnx_value *onnx_input(onnx_translation *self, int node, int i);

/* onnx_constant - the same, which must be a constant */
onnx_value *onnx_constant(onnx_translation *self, int node, int i);

/* onnx_output - output 0;  onnx_output_new - zeroed */
onnx_value *onnx_output(onnx_translation *self, int node);
onnx_value *onnx_output_new(onnx_translation *self, int node);

/* onnx_pass - output 0 is what `from` is, with other axes perhaps */
onnx_value *onnx_pass(onnx_translation *self, int node, const onnx_value *from);

/* onnx_features - channels * height * width;  onnx_axes_of - how many axes it has, and which is the channels' */
int64_t onnx_features(const onnx_value *from);
int onnx_axes_of(const onnx_value *data, int *channels);

/* ---- constants ----------------------------------------------------------------------------------- */

/* onnx_constant_floats - all numbers of a constant, transposed or not; count of them */
bool onnx_constant_floats(onnx_translation *self, int node, const onnx_value *from, float *to);

/* onnx_number - of a constant that is a single one; false: it is not */
bool onnx_number_of(const onnx_value *from, double *value);

/* onnx_is_equal - are all numbers of a constant this one? */
bool onnx_is_equal(const onnx_value *from, float number);

/* onnx_wholes_in - input i as whole numbers, of a constant or a shape, at most ONNX_SHAPE; returns how many, -1 with err */
int onnx_wholes_in(onnx_translation *self, int node, int i, int64_t to[ONNX_SHAPE]);

/* onnx_axes_in - the attribute, or the input i, `axes`, counted from the front, of so many; returns how many, -1 with err */
int onnx_axes_in(onnx_translation *self, int node, int i, int n_axes, int64_t to[ONNX_SHAPE]);

/* onnx_by_channel - is a constant a number for each of the channels of `of`, as operators spread arrays out? */
bool onnx_by_channel(const onnx_value *constant, const onnx_value *of);

#endif
