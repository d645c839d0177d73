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
    const char *text;
};

enum { NO_LAYER = LAYER_IMAGES - 1 };

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
    if (self->kind)
        return true;
    char known[512] = "";
    for (const layer_kind *const *kind = layer_kinds; *kind; kind++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", (*kind)->name);
    }
    return error_user(err, "kind = %s: expected one of %s", value, known);
}

/* The number of a layer among the first n, or NO_LAYER. */
static int find_layer(const model *self, int n, const char *name, size_t length)
{
    for (int k = 0; k < n; k++)
        if (strlen(self->layers[k].name) == length &&
            memcmp(self->layers[k].name, name, length) == 0)
            return k;
    return NO_LAYER;
}

/* The name in the next line that begins a section, and its length; NULL: none. */
static const char *next_section(const char **text, int *line, size_t *length)
{
    for (const char *at = *text; at && *at;) {
        const char *start = at + strspn(at, " \t\r"), *end = strchr(at, '\n');
        at = end ? end + 1 : NULL;
        ++*line;
        if (*start != '[')
            continue;
        *text = at;
        *length = strcspn(start + 1, "]\n");
        return start + 1;
    }
    return NULL;
}

static bool stands_somewhere(const char *text, const char *name, size_t length)
{
    size_t n = 0;
    int line = 0;
    for (const char *at; (at = next_section(&text, &line, &n));)
        if (n == length && memcmp(at, name, n) == 0)
            return true;
    return false;
}

static bool parse_name(const struct parsing *p, layer *self, const char *name, size_t length,
                       error *err)
{
    int above = p->model->n_layers - 1, from = find_layer(p->model, above, name, length);
    if (from == NO_LAYER && length == strlen("image") && memcmp(name, "image", length) == 0)
        from = LAYER_IMAGES;
    int shown = length < LAYER_NAME_BYTES ? (int)length : LAYER_NAME_BYTES;
    if (from == NO_LAYER && stands_somewhere(p->text, name, length))
        return error_user(err, "input = %.*s: [%.*s] does not stand above [%s]", shown, name, shown,
                          name, self->name);
    if (from == NO_LAYER)
        return error_user(err, "input = %.*s: there is no such layer", shown, name);
    if (self->n_inputs == LAYER_MAX_INPUTS)
        return error_user(err, "input: more than %d", LAYER_MAX_INPUTS);
    self->inputs[self->n_inputs++] = from;
    return true;
}

/* Names of layers above, with commas between. */
static bool parse_inputs(const struct parsing *p, layer *self, int line, const char *value,
                         error *err)
{
    if (self->inputs_line != self->line)
        return error_user(err, "`input` is given a second time in [%s]", self->name);
    self->inputs_line = line;
    self->n_inputs = 0;
    for (const char *at = value;; at++) {
        at += strspn(at, " \t");
        size_t length = strcspn(at, ","), n = length;
        while (n > 0 && strchr(" \t\r", at[n - 1]))
            n--;
        if (!parse_name(p, self, at, n, err))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

static bool parse_setting(layer *self, int line, const char *name, const char *value, error *err)
{
    if (!kind_knows(self->kind, name) && !layer_training_knows(name))
        return error_user(err, "a %s layer has no setting `%s`", self->kind->name, name);
    for (int k = 0; k < self->n_settings; k++)
        if (strcmp(self->settings[k].name, name) == 0)
            return error_user(err, "`%s` is given a second time in [%s]", name, self->name);
    if (strlen(value) >= LAYER_SETTING_BYTES)
        return error_user(err, "%s = %.*s...: no setting is that long", name, LAYER_SETTING_BYTES,
                          value);
    layer_setting *setting = &self->settings[self->n_settings++];
    snprintf(setting->name, sizeof setting->name, "%s", name);
    snprintf(setting->text, sizeof setting->text, "%s", value);
    setting->line = line;
    return true;
}

static bool parse_layer_key(const struct parsing *p, layer *self, int line, const char *name,
                            const char *value, error *err)
{
    if (strcmp(name, "kind") == 0)
        return self->kind ? error_user(err, "a second `kind` in [%s]", self->name)
                          : parse_kind(self, value, err);
    if (!self->kind)
        return error_user(err, "[%s] must begin with `kind = ...`", self->name);
    return strcmp(name, "input") == 0 ? parse_inputs(p, self, line, value, err)
                                      : parse_setting(self, line, name, value, err);
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
    if (strcmp(section, "image") == 0)
        return error_user(err,
                          "[image]: `input = image` means the images; call the layer otherwise");
    layer *last = self->n_layers > 0 ? &self->layers[self->n_layers - 1] : NULL;
    if (!last || strcmp(last->name, section) != 0) {
        if (find_layer(self, self->n_layers, section, strlen(section)) != NO_LAYER)
            return error_user(err, "there are two layers called [%s]", section);
        if (self->n_layers == MODEL_MAX_LAYERS)
            return error_user(err, "more than %d layers", MODEL_MAX_LAYERS);
        assert(self->layers); /* room for MODEL_MAX_LAYERS */
        last = &self->layers[self->n_layers++];
        last->inputs[0] = self->n_layers - 2; /* the one above; for the first, LAYER_IMAGES */
        last->n_inputs = 1;
        last->inputs_line = line;
        snprintf(last->name, sizeof last->name, "%s", section);
        last->line = line;
    }
    return parse_layer_key(p, last, line, name, value, err);
}

/* A section without keys is never visited; the layer it was meant to be must not just be missing. */
static bool check_sections(const model *self, const char *where, const char *text, error *err)
{
    size_t n = 0;
    int line = 0;
    for (const char *at; (at = next_section(&text, &line, &n));)
        if (!(n == strlen("model") && memcmp(at, "model", n) == 0) &&
            find_layer(self, self->n_layers, at, n) == NO_LAYER)
            return error_user(err, "%s:%d: [%.*s] has no keys: expected `kind = ...`", where, line,
                              n < LAYER_NAME_BYTES ? (int)n : LAYER_NAME_BYTES, at);
    return true;
}

bool parse_model(model *self, const char *where, const char *text, error *err)
{
    struct parsing p = {.model = self, .model_line = 1, .text = text};
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
