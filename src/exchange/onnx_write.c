#include "onnx_write.h"

#include "base/memory.h"
#include "onnx_format.h"
#include "onnx_words.h"

#include <stdio.h>
#include <string.h>

/* ---- kinds ------------------------------------------------------------------------------------ */

static const struct kind {
    const char *name;
    onnx_kind *write;
} kinds[] = {
    {"conv", onnx_words_conv},           {"dense", onnx_words_dense},
    {"batchnorm", onnx_words_batchnorm}, {"layernorm", onnx_words_layernorm},
    {"groupnorm", onnx_words_groupnorm}, {"maxpool", onnx_words_maxpool},
    {"avgpool", onnx_words_avgpool},     {"globalpool", onnx_words_globalpool},
    {"relu", onnx_words_relu},           {"prelu", onnx_words_prelu},
    {"gelu", onnx_words_gelu},           {"silu", onnx_words_silu},
    {"tanh", onnx_words_tanh},           {"dropout", onnx_words_dropout},
    {"scale", onnx_words_scale},         {"add", onnx_words_add},
    {"multiply", onnx_words_multiply},   {"concat", onnx_words_concat},
    {"split", onnx_words_split},
};

static const struct kind *find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

bool onnx_knows(const char *kind)
{
    return find(kind) != NULL;
}

static bool write_layer(onnx_writer *self, int k)
{
    const layer *l = &self->graph->layers[k];
    const struct kind *kind = find(l->kind->name);
    onnx_words w = {.to = self, .l = l, .made = &self->made[k], .name = l->name};
    for (int i = 0; i < l->n_inputs; i++)
        w.in[i] = l->inputs[i] == LAYER_IMAGES ? self->images : self->made[l->inputs[i]];
    snprintf(w.made->value, sizeof w.made->value, "%s.output", l->name);
    if (kind)
        kind->write(&w);
    return kind != NULL;
}

/* ---- the graph -------------------------------------------------------------------------------- */

/* The same two operations as the program's own (input.h), of the same numbers. */
static bool put_normalisation(onnx_writer *self, const input_values *input, error *err)
{
    input_rule rule;
    int n = self->graph->input.channels, c = 0;
    float *numbers = memory_new(2 * (size_t)n, sizeof *numbers, err);
    bool good = input_rule_init(&rule, input, err) && numbers;
    for (int k = 0; good && k < rule.n_runs; k++)
        for (int i = 0; i < rule.runs[k].n_channels && c < n; i++, c++) {
            numbers[c] = rule.runs[k].middle;
            numbers[n + c] = rule.runs[k].scale;
        }
    const int64_t dims[] = {1, n, 1, 1};
    if (good) {
        onnx_put_floats(self, "pixels.middle", numbers, 4, dims);
        onnx_put_floats(self, "pixels.scale", numbers + n, 4, dims);
        onnx_put_plain(self, "Sub", "pixels.centred",
                       (const char *const[]){"input", "pixels.middle.output", NULL});
        onnx_put_plain(self, "Mul", "pixels.normalised",
                       (const char *const[]){"pixels.centred.output", "pixels.scale.output", NULL});
    }
    self->images = (onnx_made){.value = "pixels.normalised.output"};
    input_rule_release(&rule);
    memory_free(numbers);
    return good;
}

/* The last layer's, one number a class. */
static void put_logits(onnx_writer *self)
{
    proto_writer *to = &self->nodes;
    size_t begun = proto_begin(to, GRAPH_NODE);
    proto_put_text(to, NODE_INPUT, self->made[self->graph->n_layers - 1].value);
    proto_put_text(to, NODE_OUTPUT, "logits");
    proto_put_text(to, NODE_NAME, "logits");
    proto_put_text(to, NODE_OP, "Flatten");
    proto_end(to, begun);
}

bool onnx_write_nodes(onnx_writer *self, const model *graph, const input_values *input, error *err)
{
    self->graph = graph;
    if (!put_normalisation(self, input, err))
        return false;
    for (int k = 0; k < graph->n_layers; k++)
        if (!write_layer(self, k))
            return error_user(err, "[%s]: the kind %s has no words in ONNX", graph->layers[k].name,
                              graph->layers[k].kind->name);
    put_logits(self);
    return !self->nodes.failed ||
           error_environment(err, "there is no memory for the graph of %s", graph->name);
}
