#include "build.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static int count_readers(const model *self, int of)
{
    int n = 0;
    for (int k = of + 1; k < self->n_layers; k++)
        for (int i = 0; i < self->layers[k].n_inputs; i++)
            n += self->layers[k].inputs[i] == of;
    return n;
}

static bool check_inputs(const layer *l, int k, error *err)
{
    const layer_kind *kind = l->kind;
    for (int i = 0; i < l->n_inputs; i++) {
        if (l->inputs[i] >= k || l->inputs[i] < LAYER_IMAGES)
            return error_user(err, "[%s] reads what does not come before it", l->name);
        for (int j = 0; j < i; j++)
            if (l->inputs[i] == l->inputs[j])
                return error_user(err, "[%s] reads the same twice", l->name);
    }
    if (l->n_inputs >= kind->min_inputs && l->n_inputs <= kind->max_inputs)
        return true;
    char most[24] = "";
    if (kind->max_inputs > kind->min_inputs)
        snprintf(most, sizeof most, " to %d", kind->max_inputs);
    return error_user(err, "[%s] has %d input%s: the kind %s takes %d%s", l->name, l->n_inputs,
                      l->n_inputs == 1 ? "" : "s", kind->name, kind->min_inputs, most);
}

/* Every layer reads as many as its kind takes, different ones before it, and is read, but the last. */
static bool check_graph(const model *self, const char *where, error *err)
{
    for (int k = 0; k < self->n_layers; k++) {
        const layer *l = &self->layers[k];
        if (!check_inputs(l, k, err))
            return error_prefix(err, "%s:%d", where, l->inputs_line);
        if (k < self->n_layers - 1 && count_readers(self, k) == 0)
            return error_user(err, "%s:%d: [%s] is read by no other layer, and is not the last",
                              where, l->line, l->name);
    }
    return true;
}

static bool infer_layer(model *self, layer *l, error *err)
{
    for (int i = 0; i < l->n_inputs; i++)
        l->in[i] = l->inputs[i] == LAYER_IMAGES ? self->input : self->layers[l->inputs[i]].out;
    if (!l->kind->infer(l, err) || !layer_training_read(l, err))
        return false;
    if (layer_features(l->out) > LAYER_MAX_FEATURES)
        return error_user(err, "an output of %zu values: at most %d", layer_features(l->out),
                          LAYER_MAX_FEATURES);
    self->n_trained += l->n_trained;
    self->n_weights += l->n_trained + l->n_statistics;
    if (self->n_weights > MODEL_MAX_WEIGHTS)
        return error_user(err, "more than %d weights", MODEL_MAX_WEIGHTS);
    return true;
}

/* The shapes, from the input through every layer. */
static bool infer(model *self, const char *where, error *err)
{
    for (int k = 0; k < self->n_layers; k++) {
        layer *l = &self->layers[k];
        l->number = (uint32_t)k;
        if (!infer_layer(self, l, err))
            return error_prefix(err, "%s:%d: [%s] on an input of %d x %d x %d", where, l->line,
                                l->name, l->in[0].channels, l->in[0].height, l->in[0].width);
        bool of_images = l->inputs[0] == LAYER_IMAGES;
        self->n_tensors += l->n_tensors;
        self->flops_forward += l->flops_forward;
        self->flops_step += l->flops_forward + (of_images ? l->flops_weights : l->flops_backward);
    }
    const layer *last = &self->layers[self->n_layers - 1];
    if (layer_features(last->out) != (size_t)self->n_classes)
        return error_user(err,
                          "%s:%d: the last layer [%s] gives %zu values, expected one for each of "
                          "the %d classes",
                          where, last->line, last->name, layer_features(last->out),
                          self->n_classes);
    if (self->n_trained == 0)
        return error_user(err, "%s:%d: no layer has weights: nothing to train", where,
                          self->layers[0].line);
    return true;
}

static void remove_layer(model *self, int gone)
{
    self->n_layers--;
    for (int k = gone; k < self->n_layers; k++) {
        layer *l = &self->layers[k];
        *l = self->layers[k + 1];
        for (int i = 0; i < l->n_inputs; i++)
            l->inputs[i] -= l->inputs[i] > gone;
    }
}

static void absorb(model *self)
{
    for (int k = 0; k < self->n_layers; k++) {
        layer *l = &self->layers[k];
        int before = l->inputs[0];
        if (!l->kind->absorb || before == LAYER_IMAGES || count_readers(self, before) > 1 ||
            !l->kind->absorb(l, &self->layers[before]))
            continue;
        memcpy(l->inputs, self->layers[before].inputs, sizeof l->inputs);
        memcpy(l->in, self->layers[before].in, sizeof l->in);
        l->n_inputs = self->layers[before].n_inputs;
        remove_layer(self, before);
        k--; /* it has moved up, and may take over what comes before it now, too */
    }
}

/* A layer's only reader is done by it: who reads that reads it. */
static void extend(model *self)
{
    for (int k = self->n_layers - 1; k > 0; k--) {
        int before = self->layers[k].inputs[0];
        if (self->layers[k].n_inputs > 1 || before == LAYER_IMAGES)
            continue;
        layer *l = &self->layers[before];
        if (!l->kind->extend || count_readers(self, before) > 1 ||
            !l->kind->extend(l, &self->layers[k]))
            continue;
        for (int j = k + 1; j < self->n_layers; j++)
            for (int i = 0; i < self->layers[j].n_inputs; i++)
                if (self->layers[j].inputs[i] == k)
                    self->layers[j].inputs[i] = before;
        remove_layer(self, k);
    }
}

/* The trained first, then the statistics; the list in the order of the layers, as in PyTorch. */
static bool lay_out(model *self, error *err)
{
    self->tensors = memory_new((size_t)self->n_tensors, sizeof *self->tensors, err);
    self->places = memory_new((size_t)self->n_layers, sizeof *self->places, err);
    if (!self->tensors || !self->places)
        return false;
    model_place next = {0, self->n_trained};
    tensor *to = self->tensors;
    for (int k = 0; k < self->n_layers; k++) {
        const layer *l = &self->layers[k];
        self->places[k] = next;
        for (int j = 0; j < l->n_tensors; j++, to++) {
            *to = l->tensors[j];
            to->offset += to->role == TENSOR_TRAINED ? next.trained : next.statistics;
        }
        next.trained += l->n_trained;
        next.statistics += l->n_statistics;
    }
    return true;
}

static bool alike(const tensor_training *a, const tensor_training *b)
{
    return a->lr == b->lr && a->weight_decay == b->weight_decay && a->epochs == b->epochs;
}

/* Trained tensors stand in the flat vector in the order of the list. */
static bool group(model *self, error *err)
{
    self->groups = memory_new((size_t)self->n_tensors, sizeof *self->groups, err);
    for (int k = 0; self->groups && k < self->n_tensors; k++) {
        const tensor *t = &self->tensors[k];
        model_group *last = self->n_groups > 0 ? &self->groups[self->n_groups - 1] : NULL;
        if (t->role != TENSOR_TRAINED)
            continue;
        if (last && alike(&last->training, &t->training))
            last->end += t->count;
        else
            self->groups[self->n_groups++] =
                (model_group){t->offset, t->offset + t->count, t->training};
    }
    return self->groups != NULL;
}

bool build_outline(model *self, const char *where, error *err)
{
    return check_graph(self, where, err) && infer(self, where, err) && lay_out(self, err) &&
           group(self, err);
}

bool build_model(model *self, const char *where, error *err)
{
    if (!check_graph(self, where, err) || !infer(self, where, err))
        return false;
    absorb(self);
    extend(self);
    return lay_out(self, err) && group(self, err);
}
