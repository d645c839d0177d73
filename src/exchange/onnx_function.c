#include "onnx_function.h"

#include "onnx_layer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far out, too: a sum with a bound, as Clip's, is none of what it looks like in the middle. */
const double onnx_points[ONNX_POINTS] = {-1e30, -1000.0, -30.0, -8.0, -6.0,  -4.0,  -3.0,   -2.0,
                                         -1.5,  -1.0,    -0.75, -0.5, -0.25, -0.1,  -0.01,  0.0,
                                         0.01,  0.1,     0.25,  0.5,  0.75,  1.0,   1.5,    2.0,
                                         3.0,   4.0,     6.0,   8.0,  30.0,  100.0, 1000.0, 1e30};
enum { AT_ONE = 21, AT_MINUS_ONE = 9, MAX_DEPTH = 24 };
#define LARGEST_FACTOR 1e6

/* ---- what a function is ----------------------------------------------------------------------- */

double onnx_gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}

double onnx_gelu_tanh(double x)
{
    double y = x + 0.044715 * x * x * x;
    return 0.5 * x * (1.0 + tanh(M_2_SQRTPI * M_SQRT1_2 * y));
}

double onnx_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double silu(double x)
{
    return x * onnx_sigmoid(x);
}

double onnx_relu(double x)
{
    return x > 0.0 ? x : 0.0;
}

/* Constants of graphs are floats. */
static bool near(double a, double b)
{
    return fabs(a - b) <= 2e-6 * (1.0 + fabs(b));
}

static const struct known {
    const char *kind, *setting;
    double (*of)(double);
} known[] = {{"relu", NULL, onnx_relu},
             {"tanh", NULL, tanh},
             {"gelu", "form = erf", onnx_gelu},
             {"gelu", "form = tanh", onnx_gelu_tanh},
             {"silu", NULL, silu}};

static bool is_known(const onnx_value *f, double (*of)(double))
{
    for (int k = 0; k < ONNX_POINTS; k++)
        if (!near(f->points[k], of(onnx_points[k])))
            return false;
    return true;
}

/* x > 0 ? x * above : x * below, to the bit but for a rounding of doubles */
static bool is_bent(const onnx_value *f, double above, double below)
{
    for (int k = 0; k < ONNX_POINTS; k++) {
        double wanted = onnx_points[k] * (onnx_points[k] > 0.0 ? above : below);
        if (!(fabs(f->points[k] - wanted) <= 1e-12 * fabs(wanted)))
            return false;
    }
    return true;
}

/* The shortest text that means it; a float's, where it is one. */
static void set_factor(onnx_layer *l, double factor)
{
    char text[32];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, factor);
        double back = strtod(text, NULL);
        if (back == factor || (float)back == factor)
            break;
    }
    onnx_layer_set(l, "factor = %s", text);
}

/* ---- from a function to a layer --------------------------------------------------------------- */

/* The output of the value's layer itself. */
static onnx_value base_of(const onnx_value *value)
{
    onnx_value base = *value;
    base.own = true;
    return base;
}

static bool settle_half(onnx_translation *self, onnx_value *value)
{
    onnx_value base = base_of(value);
    base.shape.channels *= 2;
    onnx_layer *l = onnx_layer_new(self, value->node, "split", NULL, (onnx_value *[]){&base}, 1);
    if (!l)
        return false;
    onnx_layer_set(l, "half = %s", value->half == 1 ? "first" : "second");
    l->out.channels /= 2;
    return onnx_give(self, value, value->axes);
}

/* A slope that is not trained. */
static bool settle_slope(onnx_translation *self, onnx_value *value, double slope)
{
    onnx_value base = base_of(value);
    char name[EXCHANGE_NAME_BYTES];
    onnx_layer *l = onnx_layer_new(self, value->node, "prelu", NULL, (onnx_value *[]){&base}, 1);
    if (!l)
        return false;
    onnx_layer_set(l, "trained = no");
    snprintf(name, sizeof name, "%s.weight", l->name);
    exchange_array *w = exchange_file_add(self->out, name, 1, (const size_t[]){1}, true, self->err);
    if (!w)
        return false;
    w->values[0] = (float)slope;
    return onnx_give(self, value, value->axes);
}

/* *done: it is one of our kinds. */
static bool settle_known(onnx_translation *self, onnx_value *value, bool *done)
{
    onnx_value base = base_of(value), *from[] = {&base};
    double one = value->points[AT_ONE], below = -value->points[AT_MINUS_ONE];
    onnx_layer *l = NULL;
    *done = true;
    if (is_bent(value, 1.0, 1.0)) {
        value->own = true;
        return true;
    }
    if (is_bent(value, one, one) && fabs(one) <= LARGEST_FACTOR) {
        if (!(l = onnx_layer_new(self, value->node, "scale", NULL, from, 1)))
            return false;
        set_factor(l, one);
        return onnx_give(self, value, value->axes);
    }
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (is_known(value, known[k].of)) {
            if (!(l = onnx_layer_new(self, value->node, known[k].kind, NULL, from, 1)))
                return false;
            if (known[k].setting)
                onnx_layer_set(l, "%s", known[k].setting);
            return onnx_give(self, value, value->axes);
        }
    if (is_bent(value, 1.0, below))
        return settle_slope(self, value, below);
    *done = false;
    return true;
}

/*
 * When a function is whole it becomes a layer at once, so that the next begins anew; a factor that several read is no
 * part of any other.
 */
bool onnx_function_finish(onnx_translation *self, int node)
{
    onnx_value *value = onnx_output(self, node);
    double one = value->points[AT_ONE];
    bool done, factor = is_bent(value, one, one);
    int id = (int)(value - self->values);
    return (factor && one != 1.0 && self->n_readers[id] < 2) || settle_known(self, value, &done);
}

/* Its operands are made layers' outputs, and it anew out of these: what is left is its last operator. */
static bool settle_parts(onnx_translation *self, onnx_value *value)
{
    int node = value->node;
    const onnx_node *of = &self->file->nodes[node];
    bool changed = false;
    for (int i = 0; i < of->n_inputs; i++) {
        onnx_value *part = of->inputs[i] < 0 ? NULL : &self->values[of->inputs[i]];
        if (!part || part->form != ONNX_DATA || part->own)
            continue;
        changed = true;
        if (!onnx_settle(self, part))
            return false;
    }
    if (!changed)
        return onnx_refuse_kind(self, node);
    return self->again(self, node) && onnx_settle(self, onnx_output(self, node));
}

bool onnx_settle(onnx_translation *self, onnx_value *value)
{
    bool done;
    if (value->is_padded)
        return onnx_refuse(self, value->node, "before what is no convolution and no mean");
    if (value->own)
        return true;
    if (value->half)
        return settle_half(self, value);
    if (!settle_known(self, value, &done))
        return false;
    return done || settle_parts(self, value);
}

/* ---- inputs ----------------------------------------------------------------------------------- */

onnx_value *onnx_data(onnx_translation *self, int node, int i)
{
    onnx_value *value = onnx_input(self, node, i);
    if (value && value->form != ONNX_DATA) {
        onnx_refuse(self, node, "of a constant");
        return NULL;
    }
    return value && onnx_settle(self, value) ? value : NULL;
}

onnx_value *onnx_padded(onnx_translation *self, int node, int i)
{
    onnx_value *value = onnx_input(self, node, i);
    bool padded = value && value->form == ONNX_DATA && value->is_padded;
    if (value && !padded)
        value = onnx_data(self, node, i);
    if (value && value->axes != ONNX_IMAGE) {
        onnx_refuse(self, node, "of other than [N, channels, height, width]");
        return NULL;
    }
    return value;
}

onnx_value *onnx_image(onnx_translation *self, int node, int i)
{
    return onnx_data(self, node, i) ? onnx_padded(self, node, i) : NULL;
}

/* Input i, to be read elementwise. */
onnx_value *onnx_function_in(onnx_translation *self, int node, int i)
{
    onnx_value *value = onnx_input(self, node, i);
    if (!value)
        return NULL;
    if (value->form == ONNX_DATA &&
        (value->half || value->is_padded || value->depth >= MAX_DEPTH) && !onnx_settle(self, value))
        return NULL;
    return value;
}

/* The output begins as the function `of` is: the same layer and axes. */
onnx_value *onnx_function_begin(onnx_translation *self, int node, const onnx_value *of)
{
    onnx_value from = *of, *to = onnx_output(self, node);
    *to = from;
    to->own = to->alone = false;
    to->node = node;
    to->depth = from.own ? 1 : from.depth + 1;
    for (int k = 0; from.own && k < ONNX_POINTS; k++)
        to->points[k] = onnx_points[k];
    return to;
}
