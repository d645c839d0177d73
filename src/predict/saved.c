#include "predict/saved.h"

#include "base/ini.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "data/normalise.h"
#include "host/files.h"
#include "record/record.h"

#include <stdio.h>
#include <string.h>

/* Names go to terminals. */
static void take_names(saved_model *self, record_file *file)
{
    self->class_names = file->class_names; /* ours now */
    self->n_class_names = file->n_classes;
    file->class_names = NULL;
    for (int c = 0; self->class_names && c < self->n_class_names; c++)
        utf8_mend(self->class_names[c]);
}

/* What a result file says of its model. */
static bool take_description(saved_model *self, const saved_request *asked, const char *path,
                             record_file *file, error *err)
{
    const char *its = record_config(file, "normalise");
    its = its ? its : "half";
    if (!normalise_check(its, err))
        return error_prefix(err, "%s: its option normalise", path);
    if (asked->normalise[0] && strcmp(asked->normalise, its) != 0)
        return error_user(err,
                          "--normalise %.60s: the model in %s was trained with %.200s; leave "
                          "the option out",
                          asked->normalise, path, its);
    snprintf(self->normalise, sizeof self->normalise, "%s", its);
    snprintf(self->simulated, sizeof self->simulated, "%s", record_simulated(file));
    take_names(self, file);
    if (!asked->model[0]) {
        snprintf(self->where, sizeof self->where, "the model in %s", path);
        self->text = file->model_text; /* ours now */
        file->model_text = NULL;
    }
    return true;
}

/* The model's description: from --model, else from the result file itself. */
bool saved_read(saved_model *self, const saved_request *asked, error *err)
{
    error plain = {0};
    char path[OPTION_TEXT_BYTES];
    *self = (saved_model){.file = asked->file};
    snprintf(self->normalise, sizeof self->normalise, "%s", asked->normalise);
    snprintf(path, sizeof path, "%s", asked->file);
    record_cut_group(path);
    record_file *file = record_read(path, &plain);
    bool good = !file || take_description(self, asked, path, file, err);
    record_file_free(file);
    if (!file && !asked->model[0])
        return (plain.kind == ERROR_USER ? error_user : error_environment)(
            err, "%s; without --model a result file of bramble train is needed", plain.text);
    if (!good ||
        (asked->model[0] && !files_find_model(asked->model, self->where, sizeof self->where, err)))
        return false;
    if (asked->model[0])
        self->text = ini_read_file(self->where, err);
    self->model = self->text ? model_new(self->where, self->text, err) : NULL;
    return self->model != NULL;
}

bool saved_weights(saved_model *self, error *err)
{
    self->w = memory_new(self->model->n_weights, sizeof *self->w, err);
    return self->w && record_read_weights(self->file, self->model->tensors,
                                          (size_t)self->model->n_tensors, self->w, err);
}

void saved_release(saved_model *self)
{
    memory_free(self->w);
    model_free(self->model);
    memory_free(self->text);
    memory_free(self->class_names);
    *self = (saved_model){0};
}

bool saved_normalise(const saved_model *self, input_values *values, error *err)
{
    const char *text = self->normalise;
    if (normalise_is_measured(text))
        return error_user(err, "--normalise %s: only bramble train measures; give its numbers",
                          text);
    return !text[0] || normalise_set(values, text, err) ||
           error_prefix(err, "--normalise %.60s", text);
}
