/* Parts of values and several together; rows of whole numbers, of which shapes are made. */
#include "onnx_attribute.h"
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include <string.h>

/* ---- several together ------------------------------------------------------------------------- */

static bool concat_wholes(onnx_translation *self, int node)
{
    int64_t row[ONNX_SHAPE], all[ONNX_SHAPE] = {0};
    int n_all = 0;
    for (int i = 0; i < onnx_node_of(self, node)->n_inputs; i++) {
        int n = onnx_wholes_in(self, node, i, row);
        if (n < 0)
            return false;
        if (n_all + n > ONNX_SHAPE)
            return onnx_refuse(self, node, "of more than %d whole numbers", ONNX_SHAPE);
        memcpy(all + n_all, row, (size_t)n * sizeof *row);
        n_all += n;
    }
    onnx_value *to = onnx_output_new(self, node);
    to->form = ONNX_WHOLES;
    to->n_wholes = n_all;
    memcpy(to->wholes, all, sizeof all);
    return true;
}

/* Features, flattened, of planes of the same size are those of all the channels. */
static bool concat_layer(onnx_translation *self, int node, onnx_value **from, int n)
{
    int channels = 0;
    for (int i = 0; i < n; i++) {
        channels += from[i]->shape.channels;
        if (from[i]->axes != from[0]->axes || from[i]->shape.height != from[0]->shape.height ||
            from[i]->shape.width != from[0]->shape.width || channels > LAYER_MAX_CHANNELS)
            return onnx_refuse(self, node, "of data of different height and width, or too many");
    }
    enum onnx_axes axes = from[0]->axes;
    onnx_layer *l = onnx_layer_new(self, node, "concat", NULL, from, n);
    if (!l)
        return false;
    l->out.channels = channels;
    return onnx_give(self, onnx_output(self, node), axes);
}

bool onnx_op_concat(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    int64_t axis = onnx_whole(of, "axis", 1);
    onnx_value *first = onnx_input(self, node, 0), *from[LAYER_MAX_INPUTS];
    int channels, k = 0;
    if (!first)
        return false;
    if (first->form != ONNX_DATA)
        return concat_wholes(self, node);
    int n = onnx_axes_of(first, &channels);
    if ((axis != channels && axis != channels - n) || first->axes == ONNX_GROUPS)
        return onnx_refuse(self, node, "along axis %lld, which are not the channels",
                           (long long)axis);
    for (int i = 0; i < of->n_inputs; i++) {
        if (!(from[k++] = onnx_data(self, node, i)))
            return false;
        if (k < LAYER_MAX_INPUTS && i < of->n_inputs - 1)
            continue;
        if (k > 1 && !concat_layer(self, node, from, k))
            return false;
        if (k == 1 && of->n_inputs == 1)
            onnx_pass(self, node, from[0]);
        from[0] = &self->values[of->outputs[0]];
        k = 1;
    }
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------ */

bool onnx_op_gather(onnx_translation *self, int node)
{
    int64_t which[ONNX_SHAPE];
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    if (from->form != ONNX_WHOLES)
        return onnx_refuse_kind(self, node);
    int n = onnx_wholes_in(self, node, 1, which);
    if (n < 0)
        return false;
    const onnx_value row = *from;
    onnx_value *to = onnx_output_new(self, node);
    to->form = ONNX_WHOLES;
    to->n_wholes = n;
    for (int k = 0; k < n; k++) {
        int64_t at = which[k] < 0 && which[k] >= -ONNX_SHAPE ? which[k] + row.n_wholes : which[k];
        if (at < 0 || at >= row.n_wholes)
            return onnx_refuse(self, node, "beyond the end");
        to->wholes[k] = row.wholes[at];
    }
    return true;
}

static bool set_half(onnx_translation *self, int node, onnx_value *to, onnx_value from, int half)
{
    if (!from.own || from.half || from.shape.channels % 2 != 0 || from.axes == ONNX_GROUPS)
        return onnx_refuse(self, node, "of channels that have no halves");
    *to = from;
    to->half = half;
    to->shape.channels /= 2;
    to->own = to->alone = false;
    to->node = node;
    return true;
}

static bool slice_wholes(onnx_translation *self, int node, const onnx_value *from, int64_t start,
                         int64_t end)
{
    onnx_value row = *from, *to = onnx_output(self, node);
    int64_t n = row.n_wholes;
    start = start < 0 ? (start < -n ? 0 : start + n) : start > n ? n : start;
    end = end < 0 ? (end < -n ? 0 : end + n) : end > n ? n : end;
    *to = (onnx_value){.form = ONNX_WHOLES, .n_wholes = end > start ? (int)(end - start) : 0};
    memcpy(to->wholes, row.wholes + start, (size_t)to->n_wholes * sizeof *to->wholes);
    return true;
}

/* Input i, or, before opset 10, an attribute: a single number. */
static bool single(onnx_translation *self, int node, int i, const char *name, int64_t *value)
{
    int64_t row[ONNX_SHAPE];
    int n = onnx_given(self, node, i)
                ? onnx_wholes_in(self, node, i, row)
                : onnx_wholes_of(onnx_node_of(self, node), name, row, ONNX_SHAPE);
    if (n == 1)
        *value = row[0];
    return n == 1 || (!onnx_given(self, node, i) && n < 0) ||
           onnx_refuse(self, node, "along several axes");
}

bool onnx_op_slice(onnx_translation *self, int node)
{
    int64_t start = 0, end = INT64_MAX, axis = 0, step = 1;
    onnx_value *from = onnx_input(self, node, 0);
    int channels;
    if (!from || !single(self, node, 1, "starts", &start) || !single(self, node, 2, "ends", &end) ||
        !single(self, node, 3, "axes", &axis) || !single(self, node, 4, "steps", &step))
        return false;
    if (step != 1)
        return onnx_refuse(self, node, "by steps of %lld", (long long)step);
    if (from->form == ONNX_WHOLES)
        return slice_wholes(self, node, from, start, end);
    if (!(from = onnx_data(self, node, 0)))
        return false;
    int n = onnx_axes_of(from, &channels);
    int64_t all = from->axes == ONNX_FLAT ? onnx_features(from) : from->shape.channels;
    if (axis != channels && axis != channels - n)
        return onnx_refuse(self, node, "along axis %lld, which are not the channels",
                           (long long)axis);
    start = start < 0 && start >= -all ? start + all : start;
    end = end < 0 && end >= -all ? end + all : end > all ? all : end;
    if (all % 2 != 0 || !((start == 0 && end == all / 2) || (start == all / 2 && end == all)))
        return onnx_refuse(self, node, "that takes no half of the channels");
    return set_half(self, node, onnx_output(self, node), *from, start == 0 ? 1 : 2);
}

bool onnx_op_split(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    int64_t axis = onnx_whole(of, "axis", 0), parts[ONNX_SHAPE];
    onnx_value *from = onnx_data(self, node, 0);
    int channels, n_parts = -1;
    if (!from)
        return false;
    int n = onnx_axes_of(from, &channels);
    if (axis != channels && axis != channels - n)
        return onnx_refuse(self, node, "along axis %lld, which are not the channels",
                           (long long)axis);
    if (onnx_given(self, node, 1)) {
        if ((n_parts = onnx_wholes_in(self, node, 1, parts)) < 0)
            return false;
    } else {
        n_parts = onnx_wholes_of(of, "split", parts, ONNX_SHAPE);
    }
    if (of->n_outputs != 2 || (n_parts >= 0 && (n_parts != 2 || parts[0] != parts[1])))
        return onnx_refuse(self, node, "in other parts than halves");
    const onnx_value whole = *from;
    for (int i = 0; i < 2; i++)
        if (of->outputs[i] >= 0 &&
            !set_half(self, node, &self->values[of->outputs[i]], whole, i + 1))
            return false;
    return true;
}

/* ---- the rest --------------------------------------------------------------------------------- */

/* As the last step it is left out: what our models give are logits, of which probabilities are made anew. */
bool onnx_op_softmax(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *from = onnx_data(self, node, 0);
    int64_t axis = onnx_whole(of, "axis", self->file->opset < 13 ? 1 : -1);
    if (!from)
        return false;
    if (of->outputs[0] != self->file->output.value || from->axes != ONNX_FLAT ||
        (axis != 1 && axis != -1))
        return onnx_refuse_kind(self, node);
    onnx_pass(self, node, from);
    return true;
}

/* Numbers of a Pad node: an input, or, before opset 11, an attribute. */
static int read_pads(onnx_translation *self, int node, int64_t pads[ONNX_SHAPE], double *value)
{
    const onnx_node *of = onnx_node_of(self, node);
    *value = onnx_real(of, "value", 0.0);
    if (onnx_given(self, node, 2)) {
        onnx_value *constant = onnx_input(self, node, 2);
        if (!constant || !onnx_number_of(constant, value))
            return -1;
    }
    return onnx_given(self, node, 1) ? onnx_wholes_in(self, node, 1, pads)
                                     : onnx_wholes_of(of, "pads", pads, ONNX_SHAPE);
}

/* Zeros around an image, for the convolution or mean behind it. */
bool onnx_op_pad(onnx_translation *self, int node)
{
    int64_t pads[ONNX_SHAPE];
    double value;
    proto_span mode = onnx_string(onnx_node_of(self, node), "mode");
    onnx_value *from = onnx_image(self, node, 0);
    int n = from ? read_pads(self, node, pads, &value) : 0;
    if (!from)
        return false;
    bool good = n == 8 && !onnx_given(self, node, 3) && value == 0.0 &&
                (mode.n == 0 || proto_equal(mode, "constant")) && pads[0] == 0 && pads[1] == 0 &&
                pads[4] == 0 && pads[5] == 0;
    for (int i = 0; good && i < 8; i++)
        good = pads[i] >= 0 && pads[i] <= LAYER_MAX_SIDE;
    if (!good)
        return onnx_refuse(self, node, "by other than zeros around each channel");
    onnx_value *to = onnx_pass(self, node, from);
    to->is_padded = true;
    to->node = node;
    memcpy(to->pads, (const int64_t[]){pads[2], pads[3], pads[6], pads[7]}, sizeof to->pads);
    return true;
}
