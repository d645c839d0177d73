#include "base/ini.h"
#include "base/memory.h"
#include "host/build.h"
#include "kernels/simd.h"
#include "record/record.h"
#include "self.h"

#include <stdio.h>
#include <string.h>

int bramble_abi(void)
{
    return BRAMBLE_ABI;
}

const char *bramble_version(void)
{
    return build_version();
}

/* ---- made and released --------------------------------------------------------------------------- */

static bool check_processor(error *err)
{
    const char *missing = simd_missing();
    return !missing ||
           error_environment(err,
                             "this processor has no %s, for which the library is built: build it "
                             "on this machine",
                             missing);
}

static void number_classes(bramble_model *self)
{
    for (int k = 0; k < self->model->n_classes; k++)
        snprintf(self->class_names[k], sizeof *self->class_names, "%d", k);
}

/* A model of this text, with the first weights of a seed. */
static bool make(bramble_model *self, const char *where, const char *text,
                 const char *normalisation, error *err)
{
    settings_init(&self->settings);
    if (!check_processor(err) || !(self->engine = engine_choose(0, err)) ||
        !(self->text = self_text(text, err)) || !(self->where = self_text(where, err)) ||
        !(self->model = model_new(where, text, err)) || !self_normalise(self, normalisation, err))
        return false;
    self->class_names = memory_new((size_t)self->model->n_classes, sizeof *self->class_names, err);
    self->w = memory_new(self->model->n_weights, sizeof *self->w, err);
    if (!self->class_names || !self->w)
        return false;
    number_classes(self);
    return true;
}

void bramble_free(bramble_model *self)
{
    if (!self)
        return;
    runner_free(&self->forward);
    runner_free(&self->training);
    optimizer_release(&self->by);
    input_rule_release(&self->input);
    input_values_release(&self->values);
    model_free(self->model);
    memory_free(self->text);
    memory_free(self->where);
    memory_free(self->normalisation);
    memory_free(self->class_names);
    memory_free(self->w);
    memory_free(self->g);
    memory_free(self);
}

static bramble_model *give(bramble_model *self, const error *found, bramble_error *err)
{
    if (self_answer(found, err))
        return self;
    bramble_free(self);
    return NULL;
}

bramble_model *bramble_new(const char *path, uint64_t seed, bramble_error *err)
{
    error found = {0};
    char *text = ini_read_file(path, &found);
    bramble_model *self = text ? memory_new(1, sizeof *self, &found) : NULL;
    if (self && make(self, path, text, "half", &found))
        model_init(self->model, self->w, seed);
    memory_free(text);
    return give(self, &found, err);
}

/* What a result file says of its model, but for the weights. */
static bool describe(bramble_model *self, const record_file *file, const char *path, error *err)
{
    char where[256];
    const char *its = record_config(file, "normalise");
    snprintf(where, sizeof where, "the model in %.200s", path);
    if (!make(self, where, file->model_text, its ? its : "half", err))
        return false;
    if (file->n_classes != self->model->n_classes)
        return error_user(err, "%s: is damaged: its model has %d classes, and %d have names", path,
                          self->model->n_classes, file->n_classes);
    memcpy(self->class_names, file->class_names,
           (size_t)file->n_classes * sizeof *self->class_names);
    for (int k = 0; k < file->n_classes; k++)
        self->class_names[k][RECORD_CLASS_BYTES - 1] = '\0';
    return true;
}

bramble_model *bramble_load(const char *path, bramble_error *err)
{
    error found = {0};
    bramble_model *self = NULL;
    record_file *file = record_read(path, &found);
    if (file && (self = memory_new(1, sizeof *self, &found)) && describe(self, file, path, &found))
        (void)record_read_weights(path, self->model->tensors, (size_t)self->model->n_tensors,
                                  self->w, &found);
    record_file_free(file);
    return give(self, &found, err);
}

bramble_model *bramble_copy(const bramble_model *of, bramble_error *err)
{
    error found = {0};
    bramble_model *self = memory_new(1, sizeof *self, &found);
    if (self && make(self, of->where, of->text, of->normalisation, &found)) {
        memcpy(self->w, of->w, of->model->n_weights * sizeof *of->w);
        memcpy(self->class_names, of->class_names,
               (size_t)of->model->n_classes * sizeof *of->class_names);
        self->settings = of->settings;
        self->rule = of->rule;
        self->seen = of->seen;
    }
    return give(self, &found, err);
}

/* ---- what it is ---------------------------------------------------------------------------------- */

const char *bramble_name(const bramble_model *self)
{
    return self->model->name;
}

int bramble_channels(const bramble_model *self)
{
    return self->model->input.channels;
}

int bramble_height(const bramble_model *self)
{
    return self->model->input.height;
}

int bramble_width(const bramble_model *self)
{
    return self->model->input.width;
}

int bramble_classes(const bramble_model *self)
{
    return self->model->n_classes;
}

const char *bramble_class_name(const bramble_model *self, int k)
{
    return k >= 0 && k < self->model->n_classes ? self->class_names[k] : NULL;
}

bool bramble_set_class_names(bramble_model *self, const char *const *names, bramble_error *err)
{
    error found = {0};
    for (int k = 0; k < self->model->n_classes; k++) {
        size_t length = names[k] ? strlen(names[k]) : 0;
        if (length < 1 || length >= RECORD_CLASS_BYTES)
            error_user(&found, "name of class %d: expected 1 to %d bytes, not %zu", k,
                       RECORD_CLASS_BYTES - 1, length);
    }
    for (int k = 0; found.kind == ERROR_NONE && k < self->model->n_classes; k++)
        snprintf(self->class_names[k], sizeof *self->class_names, "%s", names[k]);
    return self_answer(&found, err);
}

const char *bramble_normalisation(const bramble_model *self)
{
    return self->normalisation;
}

bool bramble_set_normalisation(bramble_model *self, const char *text, bramble_error *err)
{
    error found = {0};
    (void)self_normalise(self, text, &found);
    return self_answer(&found, err);
}
