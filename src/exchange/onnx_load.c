#include "onnx.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "onnx_file.h"
#include "onnx_translate.h"
#include "onnx_write.h"

#include <string.h>

/* ---- what the file says of itself -------------------------------------------------------------- */

/* With a NUL behind it; what has one inside is cut there. */
static char *copy(proto_span text, error *err)
{
    char *to = memory_new(text.n + 1, 1, err);
    if (to && text.n > 0)
        memcpy(to, text.at, text.n);
    return to;
}

/* Words of others under these names may mean anything: only what this program has written is read. */
static bool read_pairs(const onnx_file *file, exchange_file *says, error *err)
{
    proto_span left = file->bytes, key, value;
    if (!proto_equal(file->producer, ONNX_PRODUCER))
        return true;
    while (onnx_file_pair(&left, &key, &value)) {
        char *name = copy(key, err), *text = name ? copy(value, err) : NULL;
        bool good = text && exchange_pairs_get(says, name, text, err);
        memory_free(name);
        memory_free(text);
        if (!good)
            return false;
    }
    return true;
}

/* ---- our own graph ----------------------------------------------------------------------------- */

/* Are these the nodes of the file, byte for byte? */
static bool same_nodes(const onnx_file *file, const proto_writer *nodes)
{
    proto_span left = file->graph, ours = {nodes->bytes, nodes->n};
    proto_field f, g;
    while (proto_next(&left, &f)) {
        if (!proto_is(&f, GRAPH_NODE, PROTO_BYTES))
            continue;
        if (!proto_next(&ours, &g) || f.bytes.n != g.bytes.n ||
            memcmp(f.bytes.at, g.bytes.at, f.bytes.n) != 0)
            return false;
    }
    return !proto_next(&ours, &g);
}

static bool same_ports(const onnx_file *file, const model *graph)
{
    const onnx_port *in = &file->input;
    const int64_t dims[] = {graph->input.channels, graph->input.height, graph->input.width};
    return proto_equal(file->value_names[in->value], "input") && in->n_dims == 4 &&
           memcmp(in->dims + 1, dims, sizeof dims) == 0 &&
           proto_equal(file->value_names[file->output.value], "logits");
}

/* *same: the graph is what is written for this model and normalisation. */
static bool compare(const onnx_file *file, const model *graph, const char *normalise, bool *same,
                    error *err)
{
    const layer_shape s = graph->input;
    const image_shape shape = {s.channels, s.height, s.width, graph->n_classes};
    onnx_writer *writer = memory_new(1, sizeof *writer, err);
    input_values input = {.mean = NULL};
    bool good = writer && input_values_init(&input, shape, err);
    *same = good && normalise_set(&input, normalise, NULL) && same_ports(file, graph) &&
            onnx_write_nodes(writer, graph, &input, NULL) && same_nodes(file, &writer->nodes);
    input_values_release(&input);
    if (writer)
        proto_release(&writer->nodes);
    memory_free(writer);
    return good;
}

static const onnx_tensor *find(const onnx_file *file, const char *name)
{
    for (int k = 0; k < file->n_tensors; k++)
        if (proto_equal(file->tensors[k].name, name))
            return &file->tensors[k];
    return NULL;
}

/* Shapes are ours but for ones behind. */
static bool take_weights(const onnx_file *file, const model *graph, exchange_file *out, error *err)
{
    for (int k = 0; k < graph->n_tensors; k++) {
        const tensor *t = &graph->tensors[k];
        const onnx_tensor *from = find(file, t->name);
        if (!from || from->count != t->count)
            return error_user(err, "%s is missing, or of another size", t->name);
        exchange_array *to = exchange_file_add(out, t->name, t->n_dims, t->dims, true, err);
        if (!to || !onnx_tensor_floats(from, to->values, err))
            return false;
    }
    return true;
}

/* Its words for training go with a model that is still the same; its classes with any of as many. */
static bool load_own(const onnx_file *file, exchange_file *says, exchange_file *out, bool *done,
                     error *err)
{
    model *graph = says->text && says->normalise ? model_outline("", says->text, NULL) : NULL;
    *done = false;
    bool good = !graph || compare(file, graph, says->normalise, done, err);
    if (good && *done && (good = take_weights(file, graph, out, err))) {
        out->text = says->text;
        out->normalise = says->normalise;
        says->text = says->normalise = NULL;
    }
    model_free(graph);
    return good;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static bool load(const onnx_file *file, exchange_file *out, error *err)
{
    exchange_file says = {0};
    bool own = false;
    bool good = read_pairs(file, &says, err) && load_own(file, &says, out, &own, err) &&
                (own || onnx_translate(file, out, err));
    if (good) {
        out->class_names = says.class_names;
        out->n_classes = says.n_classes;
        says.class_names = NULL;
    }
    exchange_file_release(&says);
    return good;
}

bool onnx_read(const uint8_t *bytes, size_t n, exchange_file *out, error *err)
{
    onnx_file file;
    bool good = onnx_file_parse(&file, (proto_span){bytes, n}, err) && load(&file, out, err);
    onnx_file_release(&file);
    return good;
}

bool onnx_load(const char *path, exchange_file *out, error *err)
{
    size_t n;
    uint8_t *bytes = exchange_load(path, &n, err);
    bool good = bytes && onnx_read(bytes, n, out, err);
    if (bytes && !good)
        error_prefix(err, "%s", path);
    memory_free(bytes);
    return good;
}
