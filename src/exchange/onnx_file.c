#include "onnx_file.h"

#include "base/memory.h"

#include <string.h>

enum { SHOWN = 80, TABLE = 4 * ONNX_MAX_VALUES, OLDEST_OPSET = 6, NEWEST_OPSET = 99 };

static int shown(proto_span text)
{
    return text.n < SHOWN ? (int)text.n : SHOWN;
}

static const char *text_of(proto_span text)
{
    return (const char *)text.at;
}

/* ---- names of values --------------------------------------------------------------------------- */

/* FNV-1a. */
static size_t place_of(proto_span name)
{
    uint64_t h = 14695981039346656037U;
    for (size_t k = 0; k < name.n; k++)
        h = (h ^ name.at[k]) * 1099511628211U;
    return (size_t)(h ^ h >> 32) % TABLE;
}

/* Its number, a new one where it is not known yet; -1: too many.  table holds numbers plus 1. */
static int value_of(onnx_file *self, proto_span name)
{
    size_t k = place_of(name);
    for (; self->table[k] > 0; k = (k + 1) % TABLE) {
        proto_span known = self->value_names[self->table[k] - 1];
        if (known.n == name.n && memcmp(known.at, name.at, name.n) == 0)
            return self->table[k] - 1;
    }
    if (self->n_values == ONNX_MAX_VALUES)
        return -1;
    self->value_names[self->n_values] = name;
    self->table[k] = ++self->n_values;
    return self->n_values - 1;
}

static bool too_many(error *err)
{
    return error_user(err, "a graph of more than %d nodes, %d values or %d connections",
                      ONNX_MAX_NODES, ONNX_MAX_VALUES, ONNX_MAX_EDGES);
}

/* ---- the graph --------------------------------------------------------------------------------- */

/* How many there are of what takes room. */
static bool count(onnx_file *self, proto_span graph, int *n_edges, error *err)
{
    proto_field f, g;
    *n_edges = 0;
    while (proto_next(&graph, &f)) {
        self->n_tensors += proto_is(&f, GRAPH_INITIALIZER, PROTO_BYTES);
        if (!proto_is(&f, GRAPH_NODE, PROTO_BYTES))
            continue;
        self->n_nodes++;
        while (proto_next(&f.bytes, &g))
            if ((g.number == NODE_INPUT || g.number == NODE_OUTPUT) && ++*n_edges > ONNX_MAX_EDGES)
                return too_many(err);
        if (!f.bytes.at)
            return error_user(err, "a node of its graph is damaged");
    }
    if (!graph.at)
        return error_user(err, "its graph is damaged");
    if (self->n_nodes > ONNX_MAX_NODES || self->n_tensors > ONNX_MAX_VALUES)
        return too_many(err);
    return self->n_nodes > 0 || error_user(err, "its graph has no nodes");
}

static bool take_room(onnx_file *self, int n_edges, error *err)
{
    self->nodes = memory_new((size_t)self->n_nodes, sizeof *self->nodes, err);
    self->tensors = memory_new((size_t)self->n_tensors, sizeof *self->tensors, err);
    self->tensor_values = memory_new((size_t)self->n_tensors, sizeof(int), err);
    self->edges = memory_new((size_t)n_edges, sizeof *self->edges, err);
    self->table = memory_new(TABLE, sizeof *self->table, err);
    self->value_names = memory_new(ONNX_MAX_VALUES, sizeof *self->value_names, err);
    return self->nodes && self->tensors && self->tensor_values && self->edges && self->table &&
           self->value_names;
}

/* Inputs or outputs of a node, from *edge on; an empty name is one left out. */
static bool read_edges(onnx_file *self, const onnx_node *node, uint32_t number, int **edge, int *n,
                       error *err)
{
    proto_span left = node->message;
    proto_field f;
    while (proto_next(&left, &f)) {
        if (!proto_is(&f, number, PROTO_BYTES))
            continue;
        int value = f.bytes.n > 0 ? value_of(self, f.bytes) : -1;
        if (value < 0 && f.bytes.n > 0)
            return too_many(err);
        *(*edge)++ = value;
        ++*n;
    }
    return true;
}

static bool read_node(onnx_file *self, onnx_node *to, proto_span message, int **edge, error *err)
{
    const proto_span none = {(const uint8_t *)"", 0};
    proto_span left = message;
    proto_field f;
    *to = (onnx_node){.op = none, .name = none, .domain = none, .message = message};
    while (proto_next(&left, &f)) {
        if (proto_is(&f, NODE_OP, PROTO_BYTES))
            to->op = f.bytes;
        if (proto_is(&f, NODE_NAME, PROTO_BYTES))
            to->name = f.bytes;
        if (proto_is(&f, NODE_DOMAIN, PROTO_BYTES))
            to->domain = f.bytes;
    }
    to->inputs = *edge;
    if (!read_edges(self, to, NODE_INPUT, edge, &to->n_inputs, err))
        return false;
    to->outputs = *edge;
    return read_edges(self, to, NODE_OUTPUT, edge, &to->n_outputs, err);
}

static bool read_graph(onnx_file *self, proto_span graph, error *err)
{
    proto_field f;
    int node = 0, k = 0, *edge = self->edges;
    while (proto_next(&graph, &f)) {
        if (proto_is(&f, GRAPH_NAME, PROTO_BYTES))
            self->name = f.bytes;
        if (proto_is(&f, GRAPH_NODE, PROTO_BYTES) &&
            !read_node(self, &self->nodes[node++], f.bytes, &edge, err))
            return false;
        if (!proto_is(&f, GRAPH_INITIALIZER, PROTO_BYTES))
            continue;
        if (!onnx_tensor_parse(&self->tensors[k], f.bytes, err))
            return false;
        if ((self->tensor_values[k] = value_of(self, self->tensors[k].name)) < 0)
            return too_many(err);
        k++;
    }
    return true;
}

/* A value comes from one place: the input, an initializer or a node. */
static bool check_single(const onnx_file *self, error *err)
{
    bool *given = memory_new((size_t)self->n_values, sizeof *given, err);
    int twice = -1;
    if (given)
        given[self->input.value] = true;
    for (int k = 0; given && k < self->n_tensors; k++) {
        twice = given[self->tensor_values[k]] ? self->tensor_values[k] : twice;
        given[self->tensor_values[k]] = true;
    }
    for (int k = 0; given && k < self->n_nodes; k++)
        for (int i = 0; i < self->nodes[k].n_outputs; i++) {
            int value = self->nodes[k].outputs[i];
            if (value < 0)
                continue;
            twice = given[value] ? value : twice;
            given[value] = true;
        }
    bool good = given != NULL;
    memory_free(given);
    if (twice < 0)
        return good;
    return error_user(err, "two give the value %.*s", shown(self->value_names[twice]),
                      text_of(self->value_names[twice]));
}

/* ---- what goes in and comes out ---------------------------------------------------------------- */

/* The message in a field of a message; .at NULL: none. */
static proto_span inside(proto_span message, uint32_t number)
{
    proto_field f;
    proto_span found = {NULL, 0};
    while (proto_next(&message, &f))
        if (proto_is(&f, number, PROTO_BYTES))
            found = f.bytes;
    return found;
}

static int64_t dim_of(proto_span message)
{
    proto_field f;
    int64_t dim = -1;
    while (proto_next(&message, &f))
        if (proto_is(&f, DIM_VALUE, PROTO_VARINT))
            dim = f.value > 0 && f.value <= INT32_MAX ? (int64_t)f.value : -1;
    return dim;
}

static bool read_port(onnx_file *self, onnx_port *to, proto_span message, error *err)
{
    proto_span name = inside(message, VALUE_NAME);
    proto_span type = inside(inside(message, VALUE_TYPE), TYPE_OF_TENSOR), left = type;
    proto_span shape = inside(type, TENSOR_TYPE_SHAPE);
    proto_field f;
    *to = (onnx_port){.value = -1};
    if (!name.at)
        return error_user(err, "an input or output has no name");
    if ((to->value = value_of(self, name)) < 0)
        return too_many(err);
    while (proto_next(&left, &f))
        if (proto_is(&f, TENSOR_TYPE_ELEMENT, PROTO_VARINT))
            to->type = f.value < 1000 ? (int)f.value : 0;
    while (proto_next(&shape, &f)) {
        if (!proto_is(&f, SHAPE_DIM, PROTO_BYTES))
            continue;
        if (to->n_dims < EXCHANGE_MAX_DIMS)
            to->dims[to->n_dims] = dim_of(f.bytes);
        to->n_dims += to->n_dims < EXCHANGE_MAX_DIMS + 1;
    }
    return true;
}

static bool is_initializer(const onnx_file *self, int value)
{
    for (int k = 0; k < self->n_tensors; k++)
        if (self->tensor_values[k] == value)
            return true;
    return false;
}

/* Old files list initializers among the inputs. */
static bool read_ports(onnx_file *self, proto_span graph, error *err)
{
    proto_field f;
    int n_in = 0, n_out = 0, n = 0;
    while (proto_next(&graph, &f)) {
        onnx_port port;
        if (!proto_is(&f, GRAPH_INPUT, PROTO_BYTES) && !proto_is(&f, GRAPH_OUTPUT, PROTO_BYTES))
            continue;
        if (++n > ONNX_MAX_VALUES)
            return too_many(err);
        if (!read_port(self, &port, f.bytes, err))
            return false;
        if (f.number == GRAPH_OUTPUT && ++n_out == 1)
            self->output = port;
        if (f.number == GRAPH_INPUT && !is_initializer(self, port.value) && ++n_in == 1)
            self->input = port;
    }
    return (n_in == 1 && n_out == 1) ||
           error_user(err,
                      "a graph of %d input%s and %d output%s: expected one of each, images and "
                      "their logits",
                      n_in, n_in == 1 ? "" : "s", n_out, n_out == 1 ? "" : "s");
}

/* ---- the file ---------------------------------------------------------------------------------- */

static void read_opset(onnx_file *self, proto_span message)
{
    proto_field f;
    bool own = true;
    int64_t version = 0;
    while (proto_next(&message, &f)) {
        if (proto_is(&f, OPSET_DOMAIN, PROTO_BYTES))
            own = f.bytes.n == 0 || proto_equal(f.bytes, "ai.onnx");
        if (proto_is(&f, OPSET_VERSION, PROTO_VARINT))
            version = f.value < INT32_MAX ? (int64_t)f.value : 0;
    }
    if (own)
        self->opset = version;
}

static bool read_model(onnx_file *self, error *err)
{
    proto_span left = self->bytes;
    proto_field f;
    while (proto_next(&left, &f)) {
        if (proto_is(&f, MODEL_GRAPH, PROTO_BYTES))
            self->graph = f.bytes;
        if (proto_is(&f, MODEL_PRODUCER, PROTO_BYTES))
            self->producer = f.bytes;
        if (proto_is(&f, MODEL_OPSET, PROTO_BYTES))
            read_opset(self, f.bytes);
    }
    if (!left.at)
        return error_user(err, "is damaged, or cut off");
    if (!self->graph.at)
        return error_user(err, "there is no graph in it");
    return (self->opset >= OLDEST_OPSET && self->opset <= NEWEST_OPSET) ||
           error_user(err, "operators of opset %lld: from %d on they are read",
                      (long long)self->opset, OLDEST_OPSET);
}

bool onnx_file_parse(onnx_file *self, proto_span bytes, error *err)
{
    const proto_span none = {(const uint8_t *)"", 0};
    int n_edges;
    *self = (onnx_file){.bytes = bytes, .name = none, .producer = none};
    if (bytes.n > INT32_MAX)
        return error_user(err, "%zu bytes: such a file has at most %d", bytes.n, INT32_MAX);
    return read_model(self, err) && count(self, self->graph, &n_edges, err) &&
           take_room(self, n_edges, err) && read_graph(self, self->graph, err) &&
           read_ports(self, self->graph, err) && check_single(self, err);
}

void onnx_file_release(onnx_file *self)
{
    memory_free(self->nodes);
    memory_free(self->tensors);
    memory_free(self->tensor_values);
    memory_free(self->edges);
    memory_free(self->table);
    memory_free(self->value_names);
}

bool onnx_file_pair(proto_span *left, proto_span *key, proto_span *value)
{
    proto_field f;
    while (proto_next(left, &f))
        if (proto_is(&f, MODEL_METADATA, PROTO_BYTES)) {
            *key = inside(f.bytes, PAIR_KEY);
            *value = inside(f.bytes, PAIR_VALUE);
            if (key->at && value->at)
                return true;
        }
    return false;
}
