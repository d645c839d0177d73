#include "exchange/exchange.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "record/record.h"

#include <stdio.h>
#include <string.h>

static char *copy_text(const char *text, error *err)
{
    char *copy = memory_new(strlen(text) + 1, 1, err);
    if (copy)
        strcpy(copy, text);
    return copy;
}

/* By what it was trained with. */
static bool take_normalise(exchange_model *self, const char *text, error *err)
{
    image_shape shape = {self->graph->input.channels, self->graph->input.height,
                         self->graph->input.width, self->graph->n_classes};
    text = text ? text : "half"; /* files of former versions */
    self->normalise = copy_text(text, err);
    if (!self->normalise || !input_values_init(&self->input, shape, err))
        return false;
    if (normalise_is_measured(text))
        return error_user(err, "%s: does not say by which numbers its images were normalised",
                          self->path);
    return normalise_set(&self->input, text, err) ||
           error_prefix(err, "%s: its option normalise", self->path);
}

static bool take_classes(exchange_model *self, record_file *from, error *err)
{
    if (from->n_classes != self->graph->n_classes)
        return error_user(err, "%s: names %d classes, its model has %d", self->path,
                          from->n_classes, self->graph->n_classes);
    self->class_names = from->class_names; /* ours now */
    from->class_names = NULL;
    return true;
}

static bool take_weights(exchange_model *self, const char *path, error *err)
{
    const model *graph = self->graph;
    self->w = memory_new(graph->n_weights, sizeof *self->w, err);
    return self->w &&
           record_read_weights(path, graph->tensors, (size_t)graph->n_tensors, self->w, err);
}

static bool take_description(exchange_model *self, record_file *from, error *err)
{
    char where[600];
    snprintf(where, sizeof where, "the model in %.500s", self->path);
    self->text = from->model_text; /* ours now */
    from->model_text = NULL;
    self->graph = model_outline(where, self->text, err);
    return self->graph && take_normalise(self, record_config(from, "normalise"), err) &&
           take_classes(self, from, err);
}

exchange_model *exchange_model_open(const char *path, error *err)
{
    exchange_model *self = memory_new(1, sizeof *self, err);
    if (!self || !(self->path = copy_text(path, err))) {
        memory_free(self);
        return NULL;
    }
    record_cut_group(self->path);
    record_file *from = record_read(self->path, err);
    bool good = from && take_description(self, from, err) && take_weights(self, path, err);
    record_file_free(from);
    if (good)
        return self;
    exchange_model_free(self);
    return NULL;
}

void exchange_model_free(exchange_model *self)
{
    if (!self)
        return;
    memory_free(self->path);
    memory_free(self->text);
    model_free(self->graph);
    memory_free(self->w);
    memory_free(self->normalise);
    input_values_release(&self->input);
    memory_free(self->class_names);
    memory_free(self);
}
