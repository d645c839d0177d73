#include "parse.h"

#include "base/ini.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parsing {
    model *model;
    int model_line;
};

static bool parse_whole(const char *text, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static bool name_is_plain(const char *name)
{
    if (!*name || strlen(name) >= LAYER_NAME_BYTES)
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return true;
}

static bool parse_input(model *self, const char *value, error *err)
{
    int used = 0;
    layer_shape *s = &self->input;
    /* 9 digits: more would overflow, and what is left of them fails here or below */
    if (sscanf(value, "%9d %9d %9d %n", &s->channels, &s->height, &s->width, &used) != 3 ||
        value[used] != '\0')
        return error_user(err, "input = %s: expected channels, height and width, as in `3 32 32`",
                          value);
    if (s->channels < 1 || s->channels > LAYER_MAX_CHANNELS || s->height < 1 ||
        s->height > LAYER_MAX_SIDE || s->width < 1 || s->width > LAYER_MAX_SIDE ||
        layer_features(*s) > LAYER_MAX_FEATURES)
        return error_user(
            err, "input = %s: at most %d channels, %d x %d pixels, %d values together", value,
            LAYER_MAX_CHANNELS, LAYER_MAX_SIDE, LAYER_MAX_SIDE, LAYER_MAX_FEATURES);
    return true;
}

static bool given_before(const model *self, const char *name)
{
    return (strcmp(name, "name") == 0 && self->name[0]) ||
           (strcmp(name, "input") == 0 && self->input.channels > 0) ||
           (strcmp(name, "classes") == 0 && self->n_classes > 0);
}

static bool parse_model_key(model *self, const char *name, const char *value, error *err)
{
    long number;
    if (given_before(self, name))
        return error_user(err, "`%s` is given a second time in [model]", name);
    if (strcmp(name, "name") == 0) {
        if (!name_is_plain(value))
            return error_user(err, "name = %s: expected letters, digits, - and _", value);
        snprintf(self->name, sizeof self->name, "%s", value);
        return true;
    }
    if (strcmp(name, "input") == 0)
        return parse_input(self, value, err);
    if (strcmp(name, "classes") == 0) {
        if (!parse_whole(value, &number) || number < 2 || number > MODEL_MAX_CLASSES)
            return error_user(err, "classes = %s: expected a whole number from 2 to %d", value,
                              MODEL_MAX_CLASSES);
        self->n_classes = (int)number;
        return true;
    }
    return error_user(err, "unknown key `%s` in [model]: expected name, input or classes", name);
}

static bool kind_knows(const layer_kind *kind, const char *name)
{
    for (int k = 0; k < LAYER_MAX_SETTINGS && kind->settings[k]; k++)
        if (strcmp(kind->settings[k], name) == 0)
            return true;
    return false;
}

static bool parse_kind(layer *self, const char *value, error *err)
{
    self->kind = layer_kind_find(value);
    assert(!self->kind || self->kind->n_inputs == 1); /* until a file can name a layer's inputs */
    if (self->kind)
        return true;
    char known[128] = "";
    for (const layer_kind *const *kind = layer_kinds; *kind; kind++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", (*kind)->name);
    }
    return error_user(err, "kind = %s: expected one of %s", value, known);
}

static bool parse_layer_key(layer *self, int line, const char *name, const char *value, error *err)
{
    if (strcmp(name, "kind") == 0)
        return self->kind ? error_user(err, "a second `kind` in [%s]", self->name)
                          : parse_kind(self, value, err);
    if (!self->kind)
        return error_user(err, "[%s] must begin with `kind = ...`", self->name);
    if (!kind_knows(self->kind, name))
        return error_user(err, "a %s layer has no setting `%s`", self->kind->name, name);
    for (int k = 0; k < self->n_settings; k++)
        if (strcmp(self->settings[k].name, name) == 0)
            return error_user(err, "`%s` is given a second time in [%s]", name, self->name);
    layer_setting *setting = &self->settings[self->n_settings++];
    if (!parse_whole(value, &setting->value))
        return error_user(err, "%s = %s: expected a whole number", name, value);
    snprintf(setting->name, sizeof setting->name, "%s", name);
    setting->line = line;
    return true;
}

static bool visit(void *user, int line, const char *section, const char *name, const char *value,
                  error *err)
{
    struct parsing *p = user;
    model *self = p->model;
    if (strcmp(section, "model") == 0) {
        p->model_line = line;
        return parse_model_key(self, name, value, err);
    }
    if (!name_is_plain(section))
        return error_user(err, "[%s]: a layer's name is letters, digits, - and _ (at most %d)",
                          section, LAYER_NAME_BYTES - 1);
    layer *last = self->n_layers > 0 ? &self->layers[self->n_layers - 1] : NULL;
    if (!last || strcmp(last->name, section) != 0) {
        for (int k = 0; k < self->n_layers; k++)
            /* NOLINTNEXTLINE(*NonNull*): parse_start took them */
            if (strcmp(self->layers[k].name, section) == 0)
                return error_user(err, "there are two layers called [%s]", section);
        if (self->n_layers == MODEL_MAX_LAYERS)
            return error_user(err, "more than %d layers", MODEL_MAX_LAYERS);
        last = &self->layers[self->n_layers++];
        last->inputs[0] = self->n_layers - 2; /* the one above; for the first, LAYER_IMAGES */
        snprintf(last->name, sizeof last->name, "%s", section);
        last->line = line;
    }
    return parse_layer_key(last, line, name, value, err);
}

static bool has_layer(const model *self, const char *name, size_t length)
{
    for (int k = 0; k < self->n_layers; k++)
        if (strlen(self->layers[k].name) == length &&
            memcmp(self->layers[k].name, name, length) == 0)
            return true;
    return false;
}

/* A section without keys is never visited; the layer it was meant to be must not just be missing. */
static bool check_sections(const model *self, const char *where, const char *text, error *err)
{
    for (int line = 1;; line++) {
        size_t length = strcspn(text, "\n");
        const char *start = text + strspn(text, " \t\r");
        size_t n = *start == '[' ? strcspn(start + 1, "]\n") : 0;
        bool of_model = n == strlen("model") && memcmp(start + 1, "model", n) == 0;
        if (*start == '[' && !of_model && !has_layer(self, start + 1, n))
            return error_user(err, "%s:%d: [%.*s] has no keys: expected `kind = ...`", where, line,
                              n < LAYER_NAME_BYTES ? (int)n : LAYER_NAME_BYTES, start + 1);
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

bool parse_model(model *self, const char *where, const char *text, error *err)
{
    struct parsing p = {.model = self, .model_line = 1};
    if (!ini_parse_text(where, text, visit, &p, err) || !check_sections(self, where, text, err))
        return false;
    if (!self->name[0] || self->input.channels == 0 || self->n_classes == 0)
        return error_user(err, "%s:%d: expected a [model] section with name, input and classes",
                          where, p.model_line);
    if (self->n_layers == 0)
        return error_user(err, "%s:%d: expected a section per layer after [model]", where,
                          p.model_line);
    return true;
}
