#include "base/ini.h"
#include "base/memory.h"
#include "commands.h"
#include "data/normalise.h"
#include "exchange/exchange.h"
#include "host/files.h"
#include "options/options.h"
#include "record/place.h"
#include "show/output.h"

#include <stdio.h>
#include <string.h>

typedef struct importing {
    import_options options;
    exchange_file file;
    record_file *like; /* the result file of --model, or NULL */
    const char *text;  /* of the model file */
    char *read;        /* the same, where it is --model's */
    char where[OPTION_TEXT_BYTES + 32];
    model *model;
    float *w;
} importing;

/* ---- the model --------------------------------------------------------------------------------- */

static bool is_result(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, ".h5") == 0;
}

static bool read_model(importing *self, error *err)
{
    const import_options *o = &self->options;
    if (is_result(o->model)) {
        self->like = record_read(o->model, err);
        if (!self->like)
            return error_prefix(err, "--model");
        self->text = self->like->model_text;
        snprintf(self->where, sizeof self->where, "the model in %s", o->model);
    } else if (o->model[0]) {
        if (!files_find_model(o->model, self->where, sizeof self->where, err))
            return false;
        self->text = self->read = ini_read_file(self->where, err);
    } else if (self->file.text) {
        self->text = self->file.text;
        snprintf(self->where, sizeof self->where, "the model in %s", o->file);
    } else {
        return error_user(
            err, "%s: does not say of which model its weights are; name it with --model", o->file);
    }
    self->model = self->text ? model_new(self->where, self->text, err) : NULL;
    return self->model != NULL;
}

/* ---- what belongs to it ------------------------------------------------------------------------ */

/* What the files say of it, or NULL. */
static const char *normalise_of(const importing *self)
{
    return self->like ? record_config(self->like, "normalise") : self->file.normalise;
}

static bool settle_normalise(importing *self, error *err)
{
    import_options *o = &self->options;
    input_values values = {.mean = NULL};
    const char *its = normalise_of(self);
    layer_shape in = self->model->input;
    if (self->like && its && self->file.normalise && strcmp(its, self->file.normalise) != 0)
        return error_user(err, "%s: was trained with %.100s, the model in %s with %.100s", o->file,
                          self->file.normalise, o->model, its);
    if (its && o->normalise[0] && strcmp(o->normalise, its) != 0)
        return error_user(err,
                          "--normalise %.60s: the model was trained with %.200s; leave the "
                          "option out",
                          o->normalise, its);
    if (its || !o->normalise[0])
        snprintf(o->normalise, sizeof o->normalise, "%s", its ? its : "half");
    if (normalise_is_measured(o->normalise))
        return error_user(err, "--normalise %s: only bramble train measures; give its numbers",
                          o->normalise);
    image_shape shape = {in.channels, in.height, in.width, self->model->n_classes};
    bool good = input_values_init(&values, shape, err) &&
                (normalise_set(&values, o->normalise, err) ||
                 error_prefix(err, "--normalise %.60s", o->normalise));
    input_values_release(&values);
    return good;
}

/* Their names, or NULL. */
static bool find_classes(const importing *self, char (**names)[RECORD_CLASS_BYTES], error *err)
{
    int n = self->like ? self->like->n_classes : self->file.n_classes;
    *names = self->like ? self->like->class_names : self->file.class_names;
    return !*names || n == self->model->n_classes ||
           error_user(err, "%s: names %d classes, the model has %d",
                      self->like ? self->options.model : self->options.file, n,
                      self->model->n_classes);
}

/* ---- the whole --------------------------------------------------------------------------------- */

/* Where a model file goes that nobody has seen yet, beside the result, OUT.ini; "" where there is none. */
static bool place_model(const importing *self, char path[OPTION_TEXT_BYTES], error *err)
{
    const import_options *o = &self->options;
    size_t n = strlen(o->out);
    path[0] = '\0';
    if (self->text != self->file.text || !self->file.translated)
        return true;
    if (n + sizeof ".ini" > OPTION_TEXT_BYTES)
        return error_user(err, "%.100s...: the name is too long", o->out);
    snprintf(path, OPTION_TEXT_BYTES, "%.*s.ini", (int)(is_result(o->out) ? n - 3 : n), o->out);
    return place_check(path, o->force, "name", err);
}

static bool write_result(importing *self, error *err)
{
    const import_options *o = &self->options;
    char(*names)[RECORD_CLASS_BYTES];
    char text_path[OPTION_TEXT_BYTES];
    if (!find_classes(self, &names, err) || !place_model(self, text_path, err))
        return false;
    const exchange_import what = {.from = o->file,
                                  .of = self->model,
                                  .text = self->text,
                                  .text_path = text_path[0] ? text_path : NULL,
                                  .model_name = o->model[0] ? o->model : self->model->name,
                                  .normalise = o->normalise,
                                  .class_names = (const char(*)[RECORD_CLASS_BYTES])names,
                                  .w = self->w};
    return exchange_result(o->out, o->force, &what, err);
}

static bool import(importing *self, error *err)
{
    const import_options *o = &self->options;
    if (place_same(o->file, o->out))
        return error_user(err, "%s: is what is to be imported; choose another name", o->out);
    if (!place_check(o->out, o->force, "name", err) || !exchange_read(o->file, &self->file, err) ||
        !read_model(self, err) || !settle_normalise(self, err))
        return false;
    self->w = memory_new(self->model->n_weights, sizeof *self->w, err);
    return self->w && exchange_fit(&self->file, o->file, self->model, self->w, err) &&
           write_result(self, err);
}

int command_import(int argc, char **argv)
{
    error err = {0};
    static importing self; /* large: the options hold paths */
    enum parse_outcome outcome = options_parse_import(argc, argv, true, &self.options, &err);
    if (outcome == PARSE_RUN && import(&self, &err))
        printf("%s: %s, %zu weights, %d class%s\n", self.options.out, self.model->name,
               self.model->n_weights, self.model->n_classes,
               self.model->n_classes == 1 ? "" : "es");
    exchange_file_release(&self.file);
    record_file_free(self.like);
    memory_free(self.read);
    memory_free(self.w);
    model_free(self.model);
    if (err.kind == ERROR_NONE)
        output_finish(&err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    return (int)err.kind;
}
