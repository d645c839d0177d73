#include "layers/layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const layer_setting *find(const layer *self, const char *name)
{
    for (int k = 0; k < self->n_settings; k++)
        if (strcmp(self->settings[k].name, name) == 0)
            return &self->settings[k];
    return NULL;
}

/* given: what was refused, or NULL */
static bool refuse(layer *self, const char *name, const layer_setting *given, const char *expected,
                   error *err)
{
    if (!given)
        return error_user(err, "a %s layer needs `%s = ...`: %s", self->kind->name, name, expected);
    self->line = given->line;
    return error_user(err, "%s = %s: expected %s", name, given->text, expected);
}

static bool read_whole(const char *text, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

/* strtod also takes white space, hexadecimal numbers and words. */
static bool read_real(const char *text, double *value)
{
    char *end = NULL;
    *value = text[strspn(text, "+-.0123456789eE")] ? 0.0 : strtod(text, &end);
    return end && end != text && *end == '\0';
}

bool layer_setting_get_or(layer *self, const layer_number *what, long *value, error *err)
{
    char expected[96];
    const layer_setting *given = find(self, what->name);
    *value = what->fallback;
    if (!given && what->fallback >= what->low - (what->word != NULL))
        return true;
    if (given && what->word && strcmp(given->text, what->word) == 0) {
        *value = what->low - 1;
        return true;
    }
    if (given && read_whole(given->text, value) && *value >= what->low && *value <= what->high)
        return true;
    snprintf(expected, sizeof expected, "a whole number from %ld to %ld%s%s", what->low, what->high,
             what->word ? ", or " : "", what->word ? what->word : "");
    return refuse(self, what->name, given, expected, err);
}

bool layer_setting_get(layer *self, const char *name, long fallback, long low, long high,
                       long *value, error *err)
{
    const layer_number what = {.name = name, .fallback = fallback, .low = low, .high = high};
    return layer_setting_get_or(self, &what, value, err);
}

bool layer_setting_get_real(layer *self, const char *name, double fallback, double low, double high,
                            double *value, error *err)
{
    char expected[96];
    const layer_setting *given = find(self, name);
    *value = fallback;
    if (given ? read_real(given->text, value) && *value >= low && *value <= high : fallback >= low)
        return true;
    snprintf(expected, sizeof expected, "a number from %g to %g", low, high);
    return refuse(self, name, given, expected, err);
}

bool layer_setting_get_word(layer *self, const char *name, const char *const words[], int fallback,
                            int *index, error *err)
{
    char expected[160] = "one of";
    const layer_setting *given = find(self, name);
    *index = fallback;
    if (!given && fallback >= 0)
        return true;
    for (int k = 0; words[k]; k++) {
        if (given && strcmp(given->text, words[k]) == 0) {
            *index = k;
            return true;
        }
        size_t used = strlen(expected);
        snprintf(expected + used, sizeof expected - used, "%s %s", k > 0 ? "," : "", words[k]);
    }
    return refuse(self, name, given, expected, err);
}

bool layer_setting_get_yes(layer *self, const char *name, bool fallback, bool *yes, error *err)
{
    int index = 0;
    bool good = layer_setting_get_word(self, name, (const char *const[]){"no", "yes", NULL},
                                       fallback, &index, err);
    *yes = index == 1;
    return good;
}
