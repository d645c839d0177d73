#include "info_model.h"

#include "base/ini.h"
#include "base/memory.h"
#include "host/files.h"
#include "model/model.h"

#include <stdio.h>

enum { PATH_BYTES = 4096, NUMBERS_BYTES = 64 };

static model *read_model(const char *name, char *path, error *err)
{
    char *text = files_find_model(name, path, PATH_BYTES, err) ? ini_read_file(path, err) : NULL;
    model *m = text ? model_outline(path, text, err) : NULL;
    memory_free(text);
    return m;
}

static const char *input_name(const model *m, int k)
{
    return k == LAYER_IMAGES ? "image" : m->layers[k].name;
}

/* ---- as text and JSON ---------------------------------------------------------------------------- */

static json_t *describe_shape(layer_shape s)
{
    return json_pack("[iii]", s.channels, s.height, s.width);
}

static json_t *describe_layer(const model *m, const layer *l)
{
    json_t *group = json_object(), *inputs = json_array();
    json_object_set_new(group, "kind", json_string(l->kind->name));
    for (int k = 0; k < l->n_settings; k++)
        json_object_set_new(group, l->settings[k].name, json_string(l->settings[k].text));
    for (int i = 0; i < l->n_inputs; i++)
        json_array_append_new(inputs, json_string(input_name(m, l->inputs[i])));
    if (l->algorithm)
        json_object_set_new(group, "algorithm", json_string(l->algorithm));
    json_object_set_new(group, "input", inputs);
    json_object_set_new(group, "output", describe_shape(l->out));
    json_object_set_new(group, "weights", output_count((double)l->n_trained));
    if (l->n_statistics > 0)
        json_object_set_new(group, "statistics", output_count((double)l->n_statistics));
    json_object_set_new(group, "flops", output_count(l->flops_forward));
    return group;
}

json_t *info_describe_model(const char *name, error *err)
{
    char path[PATH_BYTES];
    model *m = read_model(name, path, err);
    if (!m)
        return NULL;
    json_t *root = json_object(), *layers = json_object();
    json_object_set_new(root, "model", json_string(m->name));
    json_object_set_new(root, "file", json_string(path));
    json_object_set_new(root, "input", describe_shape(m->input));
    json_object_set_new(root, "classes", json_integer(m->n_classes));
    json_object_set_new(root, "weights", output_count((double)m->n_trained));
    json_object_set_new(root, "statistics", output_count((double)(m->n_weights - m->n_trained)));
    json_object_set_new(root, "flops_forward", output_count(m->flops_forward));
    json_object_set_new(root, "flops_step", output_count(m->flops_step));
    for (int k = 0; k < m->n_layers; k++)
        json_object_set_new(layers, m->layers[k].name, describe_layer(m, &m->layers[k]));
    json_object_set_new(root, "layers", layers);
    model_free(m);
    return root;
}

/* ---- as a picture -------------------------------------------------------------------------------- */

static const char *shape_text(layer_shape s, char *text)
{
    const char *format = s.height == 1 && s.width == 1 ? "%d" : "%d x %d x %d";
    snprintf(text, NUMBERS_BYTES, format, s.channels, s.height, s.width);
    return text;
}

static void draw_layer(const model *m, int k)
{
    char shape[NUMBERS_BYTES];
    const layer *l = &m->layers[k];
    printf("  l%d [label=\"%s\\n%s", k, l->name, l->kind->name);
    for (int i = 0; i < l->n_settings; i++)
        printf("%s%s = %s", i == 0 ? ": " : ", ", l->settings[i].name, l->settings[i].text);
    printf("\\n%s", shape_text(l->out, shape));
    if (l->n_trained > 0)
        printf("\\n%zu weights", l->n_trained);
    printf("\"];\n");
    for (int i = 0; i < l->n_inputs; i++)
        if (l->inputs[i] == LAYER_IMAGES)
            printf("  image -> l%d;\n", k);
        else
            printf("  l%d -> l%d;\n", l->inputs[i], k);
}

bool info_draw_model(const char *name, error *err)
{
    char path[PATH_BYTES], shape[NUMBERS_BYTES];
    model *m = read_model(name, path, err);
    if (!m)
        return false;
    printf("digraph \"%s\" {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n"
           "  label=\"%s: %zu weights, %.3g MFLOP an image forward\";\n"
           "  image [label=\"image\\n%s\", shape=plain];\n",
           m->name, m->name, m->n_trained, 1e-6 * m->flops_forward, shape_text(m->input, shape));
    for (int k = 0; k < m->n_layers; k++)
        draw_layer(m, k);
    printf("}\n");
    model_free(m);
    return true;
}
