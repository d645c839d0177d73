/* Constants, and what gives values other axes. */
#include "onnx_attribute.h"
#include "onnx_function.h"
#include "onnx_layer.h"
#include "onnx_operators.h"

#include "base/memory.h"

#include <string.h>

static int dims_of(const onnx_value *data, int64_t to[ONNX_SHAPE])
{
    int64_t c = data->shape.channels, h = data->shape.height, w = data->shape.width;
    int channels, n = onnx_axes_of(data, &channels);
    const int64_t image[] = {ONNX_BATCH, c, h, w}, last[] = {ONNX_BATCH, h, w, c};
    memcpy(to, data->axes == ONNX_LAST ? last : image, sizeof image);
    if (data->axes == ONNX_FLAT || data->axes == ONNX_GROUPS)
        to[1] = data->axes == ONNX_FLAT ? onnx_features(data) : data->groups;
    if (data->axes == ONNX_GROUPS)
        to[2] = onnx_features(data) / data->groups;
    return n;
}

/* ---- constants -------------------------------------------------------------------------------- */

/* The numbers that an attribute holds, as an array: what tells its fields apart is the type. */
static bool attribute_array(onnx_translation *self, int node, onnx_tensor *to)
{
    const onnx_node *of = onnx_node_of(self, node);
    if (onnx_has(of, "value"))
        return onnx_tensor_of(of, "value", to, self->err) ||
               onnx_refuse(self, node, "its value is no array");
    return onnx_reals_tensor(of, to) || onnx_refuse(self, node, "of what are no numbers");
}

bool onnx_op_constant(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *to = onnx_output_new(self, node);
    int n = onnx_wholes_of(of, "value_ints", to->wholes, ONNX_SHAPE);
    if (onnx_has(of, "value_int")) {
        to->wholes[0] = onnx_whole(of, "value_int", 0);
        n = 1;
    }
    if (n > ONNX_SHAPE)
        return onnx_refuse(self, node, "of %d whole numbers: at most %d", n, ONNX_SHAPE);
    to->form = n >= 0 ? ONNX_WHOLES : ONNX_CONSTANT;
    to->n_wholes = n;
    return n >= 0 || attribute_array(self, node, &to->array);
}

bool onnx_op_identity(onnx_translation *self, int node)
{
    onnx_value *from = onnx_input(self, node, 0);
    if (!from || (from->form == ONNX_DATA && !onnx_settle(self, from)))
        return false;
    onnx_pass(self, node, from);
    return true;
}

/* Of constants, who reads them sees what they are. */
bool onnx_op_cast(onnx_translation *self, int node)
{
    int64_t to = onnx_whole(onnx_node_of(self, node), "to", 0);
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    if (from->form == ONNX_DATA && to != ONNX_FLOAT && to != ONNX_FLOAT16 && to != ONNX_BFLOAT16 &&
        to != ONNX_DOUBLE)
        return onnx_refuse(self, node, "to what is no floating-point number");
    return onnx_op_identity(self, node);
}

/* ---- the order of axes ------------------------------------------------------------------------ */

static bool is_order(const int64_t *order, int n, const int64_t wanted[4])
{
    return n == 4 && memcmp(order, wanted, 4 * sizeof *order) == 0;
}

static bool in_order(const int64_t *order, int n)
{
    for (int k = 0; k < n; k++)
        if (order[k] != k)
            return false;
    return true;
}

static bool transpose_constant(onnx_translation *self, int node, const onnx_value *from,
                               const int64_t *order, int n)
{
    if (from->form != ONNX_CONSTANT || from->array.n_dims > 2 || n != from->array.n_dims)
        return onnx_refuse(self, node, "of a constant that is no matrix");
    onnx_value *to = onnx_pass(self, node, from);
    if (n == 2 && order[0] == 1) {
        onnx_tensor *a = &to->array;
        const size_t dims[] = {a->dims[1], a->dims[0]};
        memcpy(a->dims, dims, sizeof dims);
        to->transposed = !to->transposed;
    }
    return true;
}

bool onnx_op_transpose(onnx_translation *self, int node)
{
    static const int64_t to_last[] = {0, 2, 3, 1}, from_last[] = {0, 3, 1, 2};
    int64_t order[ONNX_SHAPE] = {1, 0}; /* by default all the other way round */
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    int n = onnx_wholes_of(onnx_node_of(self, node), "perm", order, ONNX_SHAPE), channels;
    if (from->form != ONNX_DATA)
        return transpose_constant(self, node, from, order, n < 0 ? from->array.n_dims : n);
    if (!(from = onnx_data(self, node, 0)))
        return false;
    if (n != onnx_axes_of(from, &channels))
        return onnx_refuse(self, node, "of data, by an order of %d axes", n);
    enum onnx_axes axes = from->axes;
    if (axes == ONNX_IMAGE && is_order(order, n, to_last))
        axes = ONNX_LAST;
    else if (axes == ONNX_LAST && is_order(order, n, from_last))
        axes = ONNX_IMAGE;
    else if (!in_order(order, n))
        return onnx_refuse(self, node, "of data, but for moving channels behind pixels and back");
    onnx_pass(self, node, from)->axes = axes;
    return true;
}

/* ---- shapes ----------------------------------------------------------------------------------- */

/* Zeros and -1 filled in; the first is the images'.  false: it is none that an image's values fit in. */
static bool resolve(const onnx_translation *self, const onnx_value *data, int64_t *to, int n)
{
    int64_t now[ONNX_SHAPE], product = 1;
    int n_now = dims_of(data, now), open = -1;
    for (int k = 0; k < n; k++) {
        if (to[k] == 0)
            to[k] = k < n_now ? now[k] : -2;
        if (k == 0)
            continue;
        if (to[k] == -1 && open < 0)
            open = k;
        else if (to[k] < 1 || __builtin_mul_overflow(product, to[k], &product))
            return false;
    }
    int64_t all = onnx_features(data);
    if (n < 2 || product > all || all % product != 0 || (open < 0 && product != all))
        return false;
    if (open > 0)
        to[open] = all / product;
    return to[0] == ONNX_BATCH || (to[0] == -1 && open < 0) ||
           (self->n_images > 0 && to[0] == self->n_images);
}

/* What it is then. */
static bool reshape_data(onnx_translation *self, int node, const int64_t *to, int n)
{
    onnx_value *from = onnx_data(self, node, 0);
    int64_t wanted[ONNX_SHAPE], now[ONNX_SHAPE];
    if (!from)
        return false;
    memcpy(wanted, to, sizeof wanted);
    layer_shape s = from->shape;
    bool last = from->axes == ONNX_LAST && (s.height > 1 || s.width > 1);
    if (!resolve(self, from, wanted, n))
        return onnx_refuse(self, node, "to a shape that does not hold the values of each image");
    int n_now = dims_of(from, now);
    bool same = n == n_now && memcmp(wanted + 1, now + 1, (size_t)(n - 1) * sizeof *now) == 0;
    enum onnx_axes axes = ONNX_GROUPS;
    if (same)
        axes = from->axes;
    else if (n == 2 && !last)
        axes = ONNX_FLAT;
    else if (n == 4 && !last && wanted[1] == s.channels && wanted[2] == s.height &&
             wanted[3] == s.width)
        axes = ONNX_IMAGE;
    else if (n != 3 || last || s.channels % wanted[1] != 0)
        return onnx_refuse(self, node,
                           "to a shape that is none of [N, features], [N, channels, "
                           "height, width] as before, [N, groups of channels, rest]");
    onnx_value *made = onnx_pass(self, node, from);
    made->axes = axes;
    made->groups = axes == ONNX_GROUPS && !same ? (int)wanted[1] : same ? made->groups : 0;
    return true;
}

static bool reshape_constant(onnx_translation *self, int node, const onnx_value *from,
                             const int64_t *to, int n)
{
    onnx_value *made = onnx_pass(self, node, from);
    onnx_tensor *a = &made->array;
    size_t product = 1;
    int open = -1;
    if (from->transposed)
        return onnx_refuse(self, node, "of a transposed constant");
    for (int k = 0; k < n; k++) {
        if (to[k] == -1 && open < 0)
            open = k;
        else if (to[k] < 1 || !memory_multiply(product, (size_t)to[k], &product))
            return onnx_refuse(self, node, "to a shape of other numbers");
        a->dims[k] = to[k] > 0 ? (size_t)to[k] : 1;
    }
    if (product == 0 || a->count % product != 0 || (open < 0 && product != a->count))
        return onnx_refuse(self, node, "to a shape of another size");
    if (open >= 0)
        a->dims[open] = a->count / product;
    a->n_dims = n;
    return true;
}

bool onnx_op_reshape(onnx_translation *self, int node)
{
    int64_t to[ONNX_SHAPE] = {0};
    onnx_value *from = onnx_input(self, node, 0);
    int n = from ? onnx_wholes_in(self, node, 1, to) : -1;
    if (n < 0)
        return false;
    if (from->form == ONNX_DATA)
        return reshape_data(self, node, to, n);
    if (from->form == ONNX_CONSTANT)
        return reshape_constant(self, node, from, to, n);
    return onnx_op_identity(self, node);
}

bool onnx_op_flatten(onnx_translation *self, int node)
{
    const int64_t to[ONNX_SHAPE] = {0, -1};
    onnx_value *from = onnx_data(self, node, 0);
    int channels;
    if (!from)
        return false;
    int64_t axis = onnx_whole(onnx_node_of(self, node), "axis", 1),
            n = onnx_axes_of(from, &channels);
    if (axis != 1 && axis != 1 - n)
        return onnx_refuse(self, node, "from axis %lld on: expected 1", (long long)axis);
    return reshape_data(self, node, to, 2);
}

/* Away with the axes of planes of a pixel. */
static bool squeeze_data(onnx_translation *self, int node, onnx_value *from)
{
    int64_t axes[ONNX_SHAPE];
    int channels, n = onnx_axes_of(from, &channels);
    int n_axes = onnx_axes_in(self, node, 1, n, axes);
    if (n_axes < 0)
        return false;
    bool planes = n_axes == 2 && axes[0] + axes[1] == (channels == 1 ? 5 : 3) &&
                  axes[0] != channels && axes[1] != channels && axes[0] != axes[1];
    if (n != 4 || !planes || from->shape.height != 1 || from->shape.width != 1)
        return onnx_refuse(self, node, "of other axes than height and width of 1");
    onnx_pass(self, node, from)->axes = ONNX_FLAT;
    return true;
}

static bool squeeze_constant(onnx_translation *self, int node, const onnx_value *from)
{
    onnx_value *to = onnx_pass(self, node, from);
    onnx_tensor *a = &to->array;
    int64_t axes[ONNX_SHAPE];
    int n_axes = from->form == ONNX_WHOLES ? 0 : onnx_axes_in(self, node, 1, a->n_dims, axes),
        n = 0;
    if (n_axes < 0)
        return false;
    for (int k = 0; k < a->n_dims; k++) {
        bool gone = false;
        for (int i = 0; i < n_axes; i++)
            gone = gone || axes[i] == k;
        if (gone && a->dims[k] != 1)
            return onnx_refuse(self, node, "of an axis that is not 1");
        if (!gone)
            a->dims[n++] = a->dims[k];
    }
    a->n_dims = n;
    return true;
}

bool onnx_op_squeeze(onnx_translation *self, int node)
{
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    if (from->form != ONNX_DATA)
        return squeeze_constant(self, node, from);
    return (from = onnx_data(self, node, 0)) && squeeze_data(self, node, from);
}

static bool unsqueeze_constant(onnx_translation *self, int node, const onnx_value *from)
{
    int64_t axes[ONNX_SHAPE],
        n_new = onnx_given(self, node, 1)
                    ? onnx_wholes_in(self, node, 1, axes)
                    : onnx_wholes_of(onnx_node_of(self, node), "axes", axes, ONNX_SHAPE);
    const onnx_tensor before = from->array;
    if (n_new < 1 || n_new + before.n_dims > EXCHANGE_MAX_DIMS)
        return onnx_refuse(self, node, "by axes that are not to be known");
    onnx_value *to = onnx_pass(self, node, from);
    int n = before.n_dims + (int)n_new, old = 0;
    if (from->form == ONNX_WHOLES)
        return true; /* a number is as good as a row of one */
    for (int k = 0; k < n; k++) {
        bool is_new = false;
        for (int i = 0; i < n_new; i++)
            is_new = is_new || axes[i] == k || axes[i] == k - n;
        if (!is_new && old == before.n_dims)
            return onnx_refuse(self, node, "by axes that are given twice");
        to->array.dims[k] = is_new ? 1 : before.dims[old++];
    }
    to->array.n_dims = n;
    return old == before.n_dims || onnx_refuse(self, node, "by axes beyond the last");
}

bool onnx_op_unsqueeze(onnx_translation *self, int node)
{
    int64_t axes[ONNX_SHAPE];
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    if (from->form != ONNX_DATA)
        return unsqueeze_constant(self, node, from);
    if (!(from = onnx_data(self, node, 0)))
        return false;
    int n = onnx_axes_in(self, node, 1, 4, axes);
    if (n < 0)
        return false;
    if (from->axes != ONNX_FLAT || n != 2 || axes[0] + axes[1] != 5 || axes[0] == axes[1] ||
        axes[0] * axes[1] != 6 || from->shape.height != 1 || from->shape.width != 1)
        return onnx_refuse(self, node, "but for height and width of [N, features]");
    onnx_pass(self, node, from)->axes = ONNX_IMAGE;
    return true;
}

bool onnx_op_shape(onnx_translation *self, int node)
{
    const onnx_node *of = onnx_node_of(self, node);
    onnx_value *from = onnx_input(self, node, 0);
    if (!from)
        return false;
    if (from->form != ONNX_DATA || from->is_padded)
        return onnx_refuse(self, node, "of a constant, or of what is padded");
    int64_t dims[ONNX_SHAPE], n = dims_of(from, dims);
    int64_t start = onnx_whole(of, "start", 0), end = onnx_whole(of, "end", n);
    start = start < 0 && start >= -n ? start + n : start;
    end = end < 0 && end >= -n ? end + n : end > n ? n : end;
    if (start < 0 || start > end)
        return onnx_refuse(self, node, "of axes from %lld to %lld", (long long)start,
                           (long long)end);
    onnx_value *to = onnx_output_new(self, node);
    to->form = ONNX_WHOLES;
    to->n_wholes = (int)(end - start);
    memcpy(to->wholes, dims + start, (size_t)to->n_wholes * sizeof *dims);
    return true;
}
