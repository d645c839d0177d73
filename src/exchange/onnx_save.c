#include "onnx.h"

#include "base/memory.h"
#include "onnx_format.h"
#include "onnx_write.h"

/* ---- what stands around the graph -------------------------------------------------------------- */

static bool put_metadata(proto_writer *to, const exchange_model *from, error *err)
{
    exchange_pair pairs[EXCHANGE_PAIRS];
    if (!exchange_pairs(from, pairs, err))
        return false;
    for (int i = 0; i < EXCHANGE_PAIRS; i++) {
        size_t begun = proto_begin(to, MODEL_METADATA);
        proto_put_text(to, PAIR_KEY, pairs[i].name);
        proto_put_text(to, PAIR_VALUE, pairs[i].value);
        proto_end(to, begun);
    }
    exchange_pairs_release(pairs);
    return true;
}

static bool put_head(proto_writer *to, const exchange_model *from, error *err)
{
    proto_put_whole(to, MODEL_IR_VERSION, ONNX_IR);
    proto_put_text(to, MODEL_PRODUCER, ONNX_PRODUCER);
    size_t begun = proto_begin(to, MODEL_OPSET);
    proto_put_text(to, OPSET_DOMAIN, "");
    proto_put_whole(to, OPSET_VERSION, ONNX_OPSET);
    proto_end(to, begun);
    return put_metadata(to, from, err);
}

/* An input or output of so many floats for each of N images. */
static void put_value(proto_writer *to, uint32_t number, const char *name, const int64_t *dims,
                      int n_dims)
{
    size_t value = proto_begin(to, number);
    proto_put_text(to, VALUE_NAME, name);
    size_t type = proto_begin(to, VALUE_TYPE), of_floats = proto_begin(to, TYPE_OF_TENSOR);
    proto_put_whole(to, TENSOR_TYPE_ELEMENT, ONNX_FLOAT);
    size_t shape = proto_begin(to, TENSOR_TYPE_SHAPE), dim = proto_begin(to, SHAPE_DIM);
    proto_put_text(to, DIM_PARAM, "N");
    proto_end(to, dim);
    for (int i = 0; i < n_dims; i++) {
        dim = proto_begin(to, SHAPE_DIM);
        proto_put_whole(to, DIM_VALUE, dims[i]);
        proto_end(to, dim);
    }
    proto_end(to, shape);
    proto_end(to, of_floats);
    proto_end(to, type);
    proto_end(to, value);
}

static void put_frame(proto_writer *to, const model *graph)
{
    layer_shape s = graph->input;
    proto_put_text(to, GRAPH_NAME, graph->name);
    put_value(to, GRAPH_INPUT, "input", (const int64_t[]){s.channels, s.height, s.width}, 3);
    put_value(to, GRAPH_OUTPUT, "logits", (const int64_t[]){graph->n_classes}, 1);
}

/* ---- weights ----------------------------------------------------------------------------------- */

typedef struct saving {
    const exchange_model *from;
    onnx_writer graph;
    proto_writer frame, head;
} saving;

/* All of an initializer but its numbers, which come last. */
static void describe(proto_writer *to, const tensor *t, bool spread)
{
    for (int i = 0; i < t->n_dims; i++)
        proto_put_whole(to, TENSOR_DIMS, (int64_t)t->dims[i]);
    for (int i = 0; i < (spread ? 2 : 0); i++)
        proto_put_whole(to, TENSOR_DIMS, 1);
    proto_put_whole(to, TENSOR_DATA_TYPE, ONNX_FLOAT);
    proto_put_text(to, TENSOR_NAME, t->name);
    proto_head(to, TENSOR_RAW, t->count * sizeof(float));
}

/* Once to add up how long they are, and once to write them: they need not be in memory twice. */
static bool put_weights(const saving *self, FILE *stream, size_t *n_bytes)
{
    const model *graph = self->from->graph;
    const tensor *t = graph->tensors;
    bool good = true;
    *n_bytes = 0;
    for (int k = 0; k < graph->n_layers; k++)
        for (int j = 0; j < graph->layers[k].n_tensors; j++, t++) {
            proto_writer about = {0}, key = {0};
            size_t n = t->count * sizeof(float);
            describe(&about, t, self->graph.spread[k]);
            proto_head(&key, GRAPH_INITIALIZER, about.n + n);
            *n_bytes += key.n + about.n + n;
            good = good && !about.failed && !key.failed;
            if (good && stream) {
                fwrite(key.bytes, 1, key.n, stream);
                fwrite(about.bytes, 1, about.n, stream);
                fwrite(self->from->w + t->offset, sizeof(float), t->count, stream);
            }
            proto_release(&key);
            proto_release(&about);
        }
    return good;
}

static bool write_all(saving *self, const exchange_out *out, error *err)
{
    size_t weights;
    proto_writer *head = &self->head, *frame = &self->frame, *nodes = &self->graph.nodes;
    bool good = put_weights(self, NULL, &weights);
    proto_head(head, MODEL_GRAPH, frame->n + nodes->n + weights);
    if (!good || head->failed || frame->failed)
        return error_environment(err, "%s: there is no memory to write it", out->path);
    fwrite(head->bytes, 1, head->n, out->stream);
    fwrite(frame->bytes, 1, frame->n, out->stream);
    fwrite(nodes->bytes, 1, nodes->n, out->stream);
    return put_weights(self, out->stream, &weights) ||
           error_environment(err, "%s: there is no memory to write it", out->path);
}

bool onnx_save(const exchange_model *from, const exchange_out *out, error *err)
{
    saving *self = memory_new(1, sizeof *self, err);
    if (!self)
        return false;
    self->from = from;
    put_frame(&self->frame, from->graph);
    bool good = put_head(&self->head, from, err) &&
                onnx_write_nodes(&self->graph, from->graph, &from->input, err) &&
                write_all(self, out, err);
    proto_release(&self->head);
    proto_release(&self->frame);
    proto_release(&self->graph.nodes);
    memory_free(self);
    return good;
}
