/* What is done element by element, or to whole channels. */
#include "onnx_words.h"

#include <math.h>
#include <string.h>

/* ---- one element after the other -------------------------------------------------------------- */

void onnx_words_relu(onnx_words *w)
{
    onnx_plain(w, "Relu");
}

void onnx_words_tanh(onnx_words *w)
{
    onnx_plain(w, "Tanh");
}

void onnx_words_dropout(onnx_words *w)
{
    *w->made = w->in[0];
}

void onnx_words_prelu(onnx_words *w)
{
    bool channels = w->l->tensors[0].count > 1;
    onnx_put_plain(w->to, "PRelu", w->name, INPUTS(w->in[0].value, onnx_weight(w, "weight")));
    w->made->flat = w->in[0].flat;
    w->to->spread[w->l->number] = channels && !w->made->flat;
}

/* A layer without geometry: what follows from it is one number a channel, or an image's. */
void onnx_words_scale(onnx_words *w)
{
    onnx_name name, factor;
    const char *by = onnx_weight(w, "weight");
    if (!by) {
        onnx_put_number(w->to, onnx_part(w, "factor", name),
                        onnx_setting_real(w->l, "factor", 1.0));
        by = onnx_value_of(w, "factor", factor);
    }
    onnx_put_plain(w->to, "Mul", w->name, INPUTS(w->in[0].value, by));
    w->made->flat = w->in[0].flat;
    w->to->spread[w->l->number] = !w->made->flat;
}

/* A node of two values of the layer, or its own number. */
static void put_step(onnx_words *w, const char *op, const char *word, const char *a, const char *b)
{
    onnx_name name;
    bool last = strcmp(word, w->name) == 0;
    onnx_put_plain(w->to, op, last ? word : onnx_part(w, word, name), INPUTS(a, b));
}

static const char *put_number(onnx_words *w, const char *word, double number, onnx_name to)
{
    onnx_name name;
    onnx_put_number(w->to, onnx_part(w, word, name), number);
    return onnx_value_of(w, word, to);
}

/* x / 2 * (1 + bell), where bell is there already. */
static void put_gelu_end(onnx_words *w, const char *bell)
{
    onnx_name a, b, c;
    put_step(w, "Add", "raised", bell, put_number(w, "one", 1.0, a));
    put_step(w, "Mul", "half", w->in[0].value, put_number(w, "two", 0.5, b));
    put_step(w, "Mul", w->name, onnx_value_of(w, "half", c), onnx_value_of(w, "raised", a));
    w->made->flat = w->in[0].flat;
}

/* tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) in the place of erf(x / sqrt(2)) */
static void put_gelu_tanh(onnx_words *w)
{
    const char *x = w->in[0].value;
    onnx_name a, b;
    put_step(w, "Mul", "square", x, x);
    put_step(w, "Mul", "cube", onnx_value_of(w, "square", a), x);
    put_step(w, "Mul", "bent", onnx_value_of(w, "cube", a), put_number(w, "bend", 0.044715, b));
    put_step(w, "Add", "sum", x, onnx_value_of(w, "bent", a));
    put_step(w, "Mul", "inner", onnx_value_of(w, "sum", a),
             put_number(w, "root", M_2_SQRTPI * M_SQRT1_2, b));
    onnx_name name;
    onnx_put_plain(w->to, "Tanh", onnx_part(w, "bell", name), INPUTS(onnx_value_of(w, "inner", a)));
}

void onnx_words_gelu(onnx_words *w)
{
    onnx_name a, b, name;
    if (strcmp(onnx_setting(w->l, "form", "erf"), "tanh") == 0) {
        put_gelu_tanh(w);
    } else {
        put_step(w, "Mul", "inner", w->in[0].value, put_number(w, "root", M_SQRT1_2, b));
        onnx_put_plain(w->to, "Erf", onnx_part(w, "bell", name),
                       INPUTS(onnx_value_of(w, "inner", a)));
    }
    put_gelu_end(w, onnx_value_of(w, "bell", a));
}

void onnx_words_silu(onnx_words *w)
{
    onnx_name name;
    onnx_put_plain(w->to, "Sigmoid", onnx_part(w, "gate", name), INPUTS(w->in[0].value));
    put_step(w, "Mul", w->name, w->in[0].value, onnx_value_of(w, "gate", name));
    w->made->flat = w->in[0].flat;
}

/* ---- several inputs, or a part of one --------------------------------------------------------- */

static void put_all(onnx_words *w, const char *op, bool of_channels)
{
    const char *inputs[LAYER_MAX_INPUTS + 1] = {NULL};
    onnx_align(w);
    for (int i = 0; i < w->l->n_inputs; i++)
        inputs[i] = w->in[i].value;
    size_t node = onnx_put_node(w->to, op, w->name, inputs);
    if (of_channels)
        onnx_put_attribute_whole(w->to, "axis", 1);
    onnx_put_end(w->to, node);
}

void onnx_words_add(onnx_words *w)
{
    put_all(w, w->l->n_inputs == 2 ? "Add" : "Sum", false);
}

void onnx_words_multiply(onnx_words *w)
{
    put_all(w, "Mul", false);
}

void onnx_words_concat(onnx_words *w)
{
    put_all(w, "Concat", true);
}

void onnx_words_split(onnx_words *w)
{
    onnx_name name, from, to, axis;
    int64_t n = w->l->out.channels;
    int64_t first = strcmp(onnx_setting(w->l, "half", ""), "second") == 0 ? n : 0;
    onnx_put_wholes(w->to, onnx_part(w, "from", name), &first, 1);
    onnx_put_wholes(w->to, onnx_part(w, "to", name), (const int64_t[]){first + n}, 1);
    onnx_put_wholes(w->to, onnx_part(w, "axis", name), (const int64_t[]){1}, 1);
    onnx_put_plain(w->to, "Slice", w->name,
                   INPUTS(w->in[0].value, onnx_value_of(w, "from", from),
                          onnx_value_of(w, "to", to), onnx_value_of(w, "axis", axis)));
    w->made->flat = w->in[0].flat;
}
