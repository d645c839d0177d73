#include "onnx_layer.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------ */

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* Letters, digits, - and single _, of which the last count. */
void onnx_plain_name(char *to, size_t room, proto_span from)
{
    size_t n = 0, skip = from.n > 4 * room ? from.n - 4 * room : 0;
    char plain[4 * ONNX_SHORT_NAME + 1] = "";
    for (size_t k = skip; k < from.n && n < sizeof plain - 1; k++) {
        bool good = is_plain(from.at[k]);
        if (good || (n > 0 && plain[n - 1] != '_'))
            plain[n++] = good ? (char)from.at[k] : '_';
    }
    while (n > 0 && plain[n - 1] == '_')
        n--;
    size_t first = n >= room ? n - room + 1 : 0;
    while (first < n && plain[first] == '_')
        first++;
    memcpy(to, plain + first, n - first);
    to[n - first] = '\0';
}

static bool is_taken(const onnx_translation *self, const char *name)
{
    bool taken = strcmp(name, "model") == 0 || strcmp(name, "image") == 0;
    for (int k = 0; k < self->n_layers; k++)
        taken = taken || strcmp(self->layers[k].name, name) == 0;
    return taken;
}

/* "conv1" of "conv1.weight"; names without a dot, as tools make them, say nothing. */
static proto_span stem_of(const onnx_value *after)
{
    proto_span name = after ? after->array.name : (proto_span){NULL, 0};
    size_t n = name.n;
    while (n > 0 && name.at[n - 1] != '.')
        n--;
    return (proto_span){name.at, n > 0 ? n - 1 : 0};
}

void onnx_rename(onnx_translation *self, onnx_layer *l, const onnx_value *after)
{
    char name[ONNX_SHORT_NAME];
    onnx_plain_name(name, sizeof name, stem_of(after));
    if (name[0] && !is_taken(self, name))
        snprintf(l->name, sizeof l->name, "%s", name);
}

static void name_layer(onnx_translation *self, int node, const onnx_value *after, onnx_layer *l)
{
    const onnx_node *of = &self->file->nodes[node];
    char first[ONNX_SHORT_NAME] = "";
    onnx_plain_name(first, sizeof first, stem_of(after));
    if (!first[0])
        onnx_plain_name(first, sizeof first, of->name);
    if (!first[0])
        onnx_plain_name(first, sizeof first, of->op);
    snprintf(l->name, sizeof l->name, "%s", first);
    for (int k = 2; is_taken(self, l->name); k++) /* at most as often as there are layers */
        snprintf(l->name, sizeof l->name, "%.*s_%d", ONNX_SHORT_NAME, first, k % 1000);
}

/* ---- layers ----------------------------------------------------------------------------------- */

onnx_layer *onnx_layer_new(onnx_translation *self, int node, const char *kind,
                           const onnx_value *after, onnx_value *const *from, int n_inputs)
{
    if (self->n_layers == MODEL_MAX_LAYERS) {
        onnx_refuse(self, node, "as one more than %d layers", MODEL_MAX_LAYERS);
        return NULL;
    }
    onnx_layer *l = &self->layers[self->n_layers];
    *l = (onnx_layer){.n_inputs = n_inputs, .out = from[0]->shape};
    snprintf(l->kind, sizeof l->kind, "%s", kind);
    for (int i = 0; i < n_inputs; i++)
        l->inputs[i] = from[i]->layer;
    name_layer(self, node, after, l);
    self->n_layers++;
    return l;
}

void onnx_layer_set(onnx_layer *self, const char *format, ...)
{
    size_t n = strlen(self->settings);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->settings + n, sizeof self->settings - n, format, arguments);
    va_end(arguments);
    n = strlen(self->settings);
    snprintf(self->settings + n, sizeof self->settings - n, "\n");
}

bool onnx_layer_weight(onnx_translation *self, int node, const onnx_layer *of, const char *suffix,
                       const onnx_value *from, int n_dims, const size_t *dims)
{
    char name[EXCHANGE_NAME_BYTES];
    size_t count = 1;
    for (int i = 0; i < n_dims; i++)
        if (!memory_multiply(count, dims[i], &count))
            return onnx_refuse(self, node, "by more numbers than fit in memory");
    if (from->array.count != count)
        return onnx_refuse(self, node, "by %zu numbers where %zu are expected", from->array.count,
                           count);
    if (count > MODEL_MAX_WEIGHTS)
        return onnx_refuse(self, node, "by more than %d weights", MODEL_MAX_WEIGHTS);
    snprintf(name, sizeof name, "%s.%s", of->name, suffix);
    exchange_array *to = exchange_file_add(self->out, name, n_dims, dims, true, self->err);
    return to && onnx_constant_floats(self, node, from, to->values);
}

bool onnx_give(onnx_translation *self, onnx_value *to, enum onnx_axes axes)
{
    *to = (onnx_value){.form = ONNX_DATA,
                       .layer = self->n_layers - 1,
                       .shape = self->layers[self->n_layers - 1].out,
                       .axes = axes,
                       .own = true,
                       .alone = true};
    return true;
}
