#include "onnx_value.h"

#include "base/memory.h"
#include "onnx_attribute.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what is refused -------------------------------------------------------------------------- */

bool onnx_refuse(onnx_translation *self, int node, const char *format, ...)
{
    const onnx_node *of = &self->file->nodes[node];
    char what[256], name[ONNX_SHOWN + 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (of->name.n > 0)
        snprintf(name, sizeof name, "%.*s", onnx_shown(of->name), onnx_text_of(of->name));
    else
        snprintf(name, sizeof name, "%d", node);
    return error_user(self->err, "node %s: %.*s %s: none of our layers does that", name,
                      onnx_shown(of->op), onnx_text_of(of->op), what);
}

bool onnx_refuse_kind(onnx_translation *self, int node)
{
    const onnx_node *of = &self->file->nodes[node];
    char name[ONNX_SHOWN + 16];
    if (of->name.n > 0)
        snprintf(name, sizeof name, "%.*s", onnx_shown(of->name), onnx_text_of(of->name));
    else
        snprintf(name, sizeof name, "%d", node);
    return error_user(self->err, "node %s: the operator %.*s%s%.*s is none that our layers can do",
                      name, onnx_shown(of->domain), onnx_text_of(of->domain),
                      of->domain.n > 0 ? "::" : "", onnx_shown(of->op), onnx_text_of(of->op));
}

/* ---- values ----------------------------------------------------------------------------------- */

bool onnx_given(const onnx_translation *self, int node, int i)
{
    const onnx_node *of = &self->file->nodes[node];
    return i < of->n_inputs && of->inputs[i] >= 0;
}

onnx_value *onnx_input(onnx_translation *self, int node, int i)
{
    if (!onnx_given(self, node, i)) {
        onnx_refuse(self, node, "without its input %d", i);
        return NULL;
    }
    int id = self->file->nodes[node].inputs[i];
    onnx_value *value = &self->values[id];
    if (value->form != ONNX_NOTHING)
        return value;
    proto_span name = self->file->value_names[id];
    onnx_refuse(self, node, "of %.*s, which nothing before it gives", onnx_shown(name),
                onnx_text_of(name));
    return NULL;
}

onnx_value *onnx_constant(onnx_translation *self, int node, int i)
{
    onnx_value *value = onnx_input(self, node, i);
    if (value && value->form != ONNX_CONSTANT) {
        onnx_refuse(self, node, "by weights that are no constants");
        return NULL;
    }
    return value;
}

onnx_value *onnx_output(onnx_translation *self, int node)
{
    return &self->values[self->file->nodes[node].outputs[0]];
}

onnx_value *onnx_output_new(onnx_translation *self, int node)
{
    onnx_value *to = onnx_output(self, node);
    *to = (onnx_value){.form = ONNX_NOTHING};
    return to;
}

onnx_value *onnx_pass(onnx_translation *self, int node, const onnx_value *from)
{
    const onnx_value value = *from;
    onnx_value *to = onnx_output(self, node);
    *to = value;
    to->alone = value.alone && self->n_readers[from - self->values] == 1;
    return to;
}

int64_t onnx_features(const onnx_value *from)
{
    return (int64_t)from->shape.channels * from->shape.height * from->shape.width;
}

/* How many axes its values have, and which is the channels'. */
int onnx_axes_of(const onnx_value *data, int *channels)
{
    *channels = data->axes == ONNX_LAST ? 3 : 1;
    return data->axes == ONNX_FLAT ? 2 : data->axes == ONNX_GROUPS ? 3 : 4;
}

/* ---- constants -------------------------------------------------------------------------------- */

bool onnx_constant_floats(onnx_translation *self, int node, const onnx_value *from, float *to)
{
    const onnx_tensor *a = &from->array;
    error why = {ERROR_NONE, ""};
    float *rows = from->transposed ? memory_new(a->count, sizeof *rows, self->err) : to;
    if (!rows)
        return false;
    bool good = onnx_tensor_floats(a, rows, &why);
    for (size_t k = 0; good && rows != to && k < a->count; k++)
        to[k] = rows[k % a->dims[1] * a->dims[0] + k / a->dims[1]];
    if (rows != to)
        memory_free(rows);
    if (!good && why.kind == ERROR_ENVIRONMENT)
        return error_environment(self->err, "%s", why.text);
    return good || onnx_refuse(self, node, "by %s", why.text);
}

bool onnx_number_of(const onnx_value *from, double *value)
{
    float number;
    int64_t whole;
    if (from->form == ONNX_WHOLES && from->n_wholes == 1 && from->wholes[0] != ONNX_BATCH) {
        *value = (double)from->wholes[0];
        return true;
    }
    if (from->form != ONNX_CONSTANT || from->array.count != 1)
        return false;
    if (onnx_tensor_is_whole(&from->array)) {
        if (!onnx_tensor_wholes(&from->array, &whole, NULL))
            return false;
        *value = (double)whole;
        return true;
    }
    if (!onnx_tensor_floats(&from->array, &number, NULL))
        return false;
    *value = (double)number;
    return true;
}

bool onnx_is_equal(const onnx_value *from, float number)
{
    float *numbers = memory_new(from->array.count, sizeof *numbers, NULL);
    bool equal = numbers && onnx_tensor_floats(&from->array, numbers, NULL);
    for (size_t k = 0; equal && k < from->array.count; k++)
        equal = numbers[k] == number;
    memory_free(numbers);
    return equal;
}

int onnx_wholes_in(onnx_translation *self, int node, int i, int64_t to[ONNX_SHAPE])
{
    const onnx_value *from = onnx_input(self, node, i);
    if (!from)
        return -1;
    if (from->form == ONNX_WHOLES) {
        memcpy(to, from->wholes, sizeof from->wholes);
        return from->n_wholes;
    }
    if (from->form != ONNX_CONSTANT || from->array.count > ONNX_SHAPE || from->array.n_dims > 1 ||
        !onnx_tensor_wholes(&from->array, to, NULL)) {
        onnx_refuse(self, node, "by what is no row of at most %d whole numbers", ONNX_SHAPE);
        return -1;
    }
    return (int)from->array.count;
}

int onnx_axes_in(onnx_translation *self, int node, int i, int n_axes, int64_t to[ONNX_SHAPE])
{
    int n = onnx_given(self, node, i)
                ? onnx_wholes_in(self, node, i, to)
                : onnx_wholes_of(&self->file->nodes[node], "axes", to, ONNX_SHAPE);
    bool good = n >= 1 && n <= ONNX_SHAPE;
    for (int k = 0; good && k < n; k++) {
        to[k] += to[k] < 0 && to[k] >= -n_axes ? n_axes : 0;
        good = to[k] >= 0 && to[k] < n_axes;
    }
    if (good)
        return n;
    onnx_refuse(self, node, "along axes that are not to be known");
    return -1;
}

bool onnx_by_channel(const onnx_value *constant, const onnx_value *of)
{
    const onnx_tensor *a = &constant->array;
    int rank = of->axes == ONNX_FLAT ? 2 : 4, at = of->axes == ONNX_LAST ? 3 : 1;
    size_t channels = (size_t)of->shape.channels;
    if (of->axes == ONNX_GROUPS ||
        (of->axes == ONNX_FLAT && onnx_features(of) != (int64_t)channels) ||
        constant->form != ONNX_CONSTANT || a->n_dims > rank || a->count != channels ||
        a->n_dims < rank - at)
        return false;
    return a->dims[at - (rank - a->n_dims)] == channels;
}
