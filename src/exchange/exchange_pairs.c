#include "exchange/exchange.h"

#include "base/ini.h"
#include "base/memory.h"
#include "data/normalise.h"
#include "host/build.h"
#include "show/output.h"

#include <stdlib.h>
#include <string.h>

const char *const exchange_pair_names[] = {"program",     "model", "normalise",
                                           "class_names", "input", NULL};
enum { PROGRAM, MODEL, NORMALISE, CLASSES, INPUT };

/* ---- out --------------------------------------------------------------------------------------- */

/* Names are cut to length where they are long, and that may be within a letter. */
static json_t *name_of_class(const char *name)
{
    size_t n = strlen(name);
    json_t *text = NULL;
    for (size_t cut = 0; !text && cut < 4 && cut <= n; cut++)
        text = json_stringn(name, n - cut);
    return text;
}

static char *write_classes(const exchange_model *from)
{
    json_t *list = json_array();
    bool good = list != NULL;
    for (int c = 0; good && c < from->graph->n_classes; c++)
        good = json_array_append_new(list, name_of_class(from->class_names[c])) == 0;
    char *text = good ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

static char *copy_text(const char *text, error *err)
{
    char *copy = memory_new(strlen(text) + 1, 1, err);
    if (copy)
        strcpy(copy, text);
    return copy;
}

bool exchange_pairs(const exchange_model *from, exchange_pair pairs[EXCHANGE_PAIRS], error *err)
{
    char program[64], input[64];
    layer_shape in = from->graph->input;
    snprintf(program, sizeof program, "bramble %s", build_version());
    snprintf(input, sizeof input, "%d %d %d", in.channels, in.height, in.width);
    char *classes = write_classes(from);
    const char *values[EXCHANGE_PAIRS] = {[PROGRAM] = program,
                                          [MODEL] = from->text,
                                          [NORMALISE] = from->normalise,
                                          [CLASSES] = classes ? classes : "",
                                          [INPUT] = input};
    bool good = true;
    for (int i = 0; i < EXCHANGE_PAIRS; i++) {
        pairs[i] = (exchange_pair){exchange_pair_names[i], NULL};
        good = good && (pairs[i].value = copy_text(values[i], err));
    }
    if (!classes)
        good = error_user(err, "%s: a name of a class is no UTF-8, and cannot be exchanged",
                          from->path);
    json_t *text = json_string(from->text);
    if (!text)
        good = error_user(err, "%s: the text of its model is no UTF-8, and cannot be exchanged",
                          from->path);
    json_decref(text);
    free(classes);
    if (!good)
        exchange_pairs_release(pairs);
    return good;
}

void exchange_pairs_release(exchange_pair pairs[EXCHANGE_PAIRS])
{
    for (int i = 0; i < EXCHANGE_PAIRS; i++)
        memory_free(pairs[i].value);
}

/* ---- in ---------------------------------------------------------------------------------------- */

/* Names are printed: one is not to move the cursor. */
static bool read_class(const json_t *from, char name[RECORD_CLASS_BYTES])
{
    const char *text = json_string_value(from);
    if (!text || !*text || strlen(text) >= RECORD_CLASS_BYTES)
        return false;
    strcpy(name, text);
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static bool read_classes(exchange_file *to, const char *value, error *err)
{
    json_t *list = json_loads(value, JSON_REJECT_DUPLICATES, NULL);
    size_t n = json_array_size(list);
    bool good = n > 0 && n <= MODEL_MAX_CLASSES;
    if (good && !(to->class_names = memory_new(n, sizeof *to->class_names, err))) {
        json_decref(list);
        return false;
    }
    to->n_classes = good ? (int)n : 0;
    for (size_t c = 0; good && c < n; c++)
        good = read_class(json_array_get(list, c), to->class_names[c]);
    json_decref(list);
    return good || error_user(err,
                              "class_names: expected a list in JSON of 1 to %d names of 1 to %d "
                              "bytes without control characters",
                              MODEL_MAX_CLASSES, RECORD_CLASS_BYTES - 1);
}

static bool is(const char *name, int which)
{
    return strcmp(name, exchange_pair_names[which]) == 0;
}

bool exchange_pairs_get(exchange_file *to, const char *name, const char *value, error *err)
{
    if (is(name, CLASSES) && !to->class_names)
        return read_classes(to, value, err);
    if (is(name, NORMALISE) && !to->normalise)
        return (normalise_check(value, err) || error_prefix(err, "normalise")) &&
               (to->normalise = copy_text(value, err));
    if (!is(name, MODEL) || to->text)
        return true;
    if (strlen(value) >= INI_TEXT_MAX_BYTES)
        return error_user(err, "model: has %zu bytes; a model file has less than %d", strlen(value),
                          INI_TEXT_MAX_BYTES);
    return (to->text = copy_text(value, err)) != NULL;
}
