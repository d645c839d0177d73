#include "onnx_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the file says of the layer ---------------------------------------------------------- */

const char *onnx_setting(const layer *l, const char *name, const char *fallback)
{
    for (int k = 0; k < l->n_settings; k++)
        if (strcmp(l->settings[k].name, name) == 0)
            return l->settings[k].text;
    return fallback;
}

int64_t onnx_setting_whole(const layer *l, const char *name, int64_t fallback)
{
    const char *text = onnx_setting(l, name, NULL);
    return text ? strtol(text, NULL, 10) : fallback;
}

double onnx_setting_real(const layer *l, const char *name, double fallback)
{
    const char *text = onnx_setting(l, name, NULL);
    return text ? strtod(text, NULL) : fallback;
}

/* ---- values ----------------------------------------------------------------------------------- */

/* "NAME.word", and of its value. */
char *onnx_part(const onnx_words *w, const char *word, onnx_name name)
{
    snprintf(name, ONNX_NAME_BYTES, "%s.%s", w->name, word);
    return name;
}

char *onnx_value_of(const onnx_words *w, const char *word, onnx_name name)
{
    snprintf(name, ONNX_NAME_BYTES, "%s.%s.output", w->name, word);
    return name;
}

/* A weight of this name, or none. */
const char *onnx_weight(const onnx_words *w, const char *suffix)
{
    size_t n = strlen(w->name);
    for (int k = 0; k < w->l->n_tensors; k++)
        if (strcmp(w->l->tensors[k].name + n + 1, suffix) == 0)
            return w->l->tensors[k].name;
    return NULL;
}

/* Input i as an image, or as a row of features. */
const char *onnx_image_of(onnx_words *w, int i)
{
    onnx_name name, word;
    layer_shape s = w->l->in[i];
    onnx_made *in = &w->in[i];
    if (!in->flat)
        return in->value;
    snprintf(word, sizeof word, "shape%d", i);
    onnx_put_wholes(w->to, onnx_part(w, word, name),
                    (const int64_t[]){0, s.channels, s.height, s.width}, 4);
    onnx_value_of(w, word, name);
    snprintf(word, sizeof word, "image%d", i);
    onnx_name node;
    onnx_put_plain(w->to, "Reshape", onnx_part(w, word, node), INPUTS(in->value, name));
    onnx_value_of(w, word, in->value);
    in->flat = false;
    return in->value;
}

const char *onnx_flat_of(onnx_words *w)
{
    onnx_name name;
    onnx_made *in = &w->in[0];
    if (in->flat)
        return in->value;
    onnx_put_plain(w->to, "Flatten", onnx_part(w, "flatten", name), INPUTS(in->value));
    onnx_value_of(w, "flatten", in->value);
    in->flat = true;
    return in->value;
}

/* All inputs in one form, which the output has, too. */
void onnx_align(onnx_words *w)
{
    bool flat_all = true;
    for (int i = 0; i < w->l->n_inputs; i++)
        flat_all = flat_all && w->in[i].flat;
    for (int i = 0; i < w->l->n_inputs && !flat_all; i++)
        onnx_image_of(w, i);
    w->made->flat = flat_all;
}

void onnx_plain(const onnx_words *w, const char *op)
{
    onnx_put_plain(w->to, op, w->name, INPUTS(w->in[0].value));
    w->made->flat = w->in[0].flat;
}
