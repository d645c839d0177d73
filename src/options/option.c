#include "options/option.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const option_command *option_command_find(const char *name)
{
    for (const option_command *command = option_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

const option_entry *option_find(const option_entry *table, const char *name)
{
    for (const option_entry *entry = table; entry->name; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

const char *option_former(const option_entry *entry)
{
    return entry->former ? entry->former : entry->initial;
}

/* ---- reading a value ------------------------------------------------------------------------- */

bool option_whole(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    if (!*text || text[strspn(text, "0123456789")])
        return false;
    errno = 0;
    unsigned long long parsed = strtoull(text, NULL, 10);
    if (errno != 0 || parsed < least || parsed > most)
        return false;
    *number = parsed;
    return true;
}

static bool set_flag(bool *field, const char *value, error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) {
            *field = i % 2 == 1;
            return true;
        }
    return error_user(err, "expected true or false");
}

static bool set_real(const option_entry *entry, double *field, const char *value, error *err)
{
    /* strtod also takes white space, hexadecimal numbers and words. */
    bool plain = *value && !value[strspn(value, "+-.0123456789eE")];
    char *end = NULL;
    double number = plain ? strtod(value, &end) : (double)NAN;
    if (!plain || end == value || *end || !isfinite(number) || number < entry->low ||
        number > entry->high)
        return error_user(err, "expected a number from %.12g to %.12g", entry->low, entry->high);
    *field = number;
    return true;
}

static bool set_text(const option_entry *entry, char *field, const char *value, error *err)
{
    size_t length = strlen(value);
    if (length < entry->least)
        return error_user(err, "expected %s, not an empty text", entry->metavar);
    if (length >= OPTION_TEXT_BYTES)
        return error_user(err, "expected at most %d characters", OPTION_TEXT_BYTES - 1);
    memcpy(field, value, length + 1);
    return true;
}

static bool set_word(const option_entry *entry, int *field, const char *value, error *err)
{
    char words[256] = "";
    size_t used = 0;
    for (size_t i = 0; entry->word(i); i++) {
        if (strcmp(entry->word(i), value) == 0) {
            *field = (int)i;
            return true;
        }
        const char *before = i == 0 ? "" : entry->word(i + 1) ? ", " : " or ";
        int n = snprintf(words + used, sizeof words - used, "%s%s", before, entry->word(i));
        used += n > 0 && (size_t)n < sizeof words - used ? (size_t)n : 0;
    }
    return error_user(err, "expected %s", words);
}

static bool set_list(const option_entry *entry, option_list *field, const char *value, error *err)
{
    static option_list list; /* large, and whoever parses is alone */
    list.n = 0;
    for (const char *next = value; *value && next;) {
        char item[24] = "";
        size_t length = strcspn(next, ",");
        memcpy(item, next, length < sizeof item ? length : 0);
        if (list.n == OPTION_LIST_MAX ||
            !option_whole(item, entry->least, entry->most, &list.values[list.n]))
            return error_user(err,
                              "expected at most %d whole numbers from %" PRIu64 " to %" PRIu64
                              " with commas between them",
                              OPTION_LIST_MAX, entry->least, entry->most);
        list.n++;
        next = next[length] ? next + length + 1 : NULL;
    }
    *field = list;
    return true;
}

static bool set_case(const option_entry *entry, option_case *field, const char *value, error *err)
{
    char nodes[24] = "";
    option_case parsed = {0, 0};
    size_t length = strcspn(value, ":");
    memcpy(nodes, value, length < sizeof nodes ? length : 0);
    if (*value &&
        (!value[length] || !option_whole(nodes, entry->least, entry->most, &parsed.nodes) ||
         !option_whole(value + length + 1, entry->least, entry->most, &parsed.cores)))
        return error_user(err, "expected nodes and cores as N:C, such as 1:2");
    *field = parsed;
    return true;
}

bool option_set(const option_entry *entry, void *options, const char *value, error *err)
{
    void *field = (char *)options + entry->offset;
    switch (entry->type) {
    case OPTION_FLAG:
        return set_flag(field, value, err);
    case OPTION_WHOLE:
        return option_whole(value, entry->least, entry->most, field) ||
               error_user(err, "expected a whole number from %" PRIu64 " to %" PRIu64, entry->least,
                          entry->most);
    case OPTION_REAL:
        return set_real(entry, field, value, err);
    case OPTION_TEXT:
        return set_text(entry, field, value, err);
    case OPTION_WORD:
        return set_word(entry, field, value, err);
    case OPTION_LIST:
        return set_list(entry, field, value, err);
    case OPTION_CASE:
        return set_case(entry, field, value, err);
    }
    return error_user(err, "expected an option of a known type");
}

bool option_set_defaults(const option_entry *table, void *options, error *err)
{
    for (const option_entry *entry = table; entry->name; entry++) {
        const char *value = entry->variable ? getenv(entry->variable) : NULL;
        if (value && *value) {
            if (!option_set(entry, options, value, err))
                return error_prefix(err, "%s=%.60s", entry->variable, value);
        } else if (!option_set(entry, options, entry->initial, err))
            return error_prefix(err, "default of --%s", entry->name);
    }
    return true;
}

/* ---- writing a value ------------------------------------------------------------------------- */

static void format_real(double value, char *text)
{
    /* As few digits as bring the same number back, but 60 rather than 6e+01. */
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, OPTION_FORMAT_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value && (digits >= 6 || !strstr(text, "e+")))
            return;
    }
}

static void format_list(const option_list *list, char *text)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->n; i++) {
        int n = snprintf(text + used, OPTION_FORMAT_BYTES - used, "%s%" PRIu64, i ? "," : "",
                         list->values[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

void option_format(const option_entry *entry, const void *options, char *text)
{
    const void *field = (const char *)options + entry->offset;
    const option_case *pair = field;
    switch (entry->type) {
    case OPTION_FLAG:
        strcpy(text, *(const bool *)field ? "true" : "false");
        return;
    case OPTION_WHOLE:
        snprintf(text, OPTION_FORMAT_BYTES, "%" PRIu64, *(const uint64_t *)field);
        return;
    case OPTION_REAL:
        format_real(*(const double *)field, text);
        return;
    case OPTION_TEXT:
        snprintf(text, OPTION_FORMAT_BYTES, "%s", (const char *)field);
        return;
    case OPTION_WORD:
        snprintf(text, OPTION_FORMAT_BYTES, "%s", entry->word((size_t) * (const int *)field));
        return;
    case OPTION_LIST:
        format_list(field, text);
        return;
    case OPTION_CASE:
        text[0] = '\0';
        if (pair->nodes)
            snprintf(text, OPTION_FORMAT_BYTES, "%" PRIu64 ":%" PRIu64, pair->nodes, pair->cores);
        return;
    }
}

void option_metavar(const option_entry *entry, char text[OPTION_METAVAR_BYTES])
{
    snprintf(text, OPTION_METAVAR_BYTES, "%s", entry->metavar ? entry->metavar : "");
    size_t used = 0;
    for (size_t i = 0; entry->word && entry->word(i) && used < OPTION_METAVAR_BYTES; i++) {
        int n = snprintf(text + used, OPTION_METAVAR_BYTES - used, "%s%s", i > 0 ? "|" : "",
                         entry->word(i));
        used += n > 0 ? (size_t)n : 0;
    }
}

/* ---- names nearly right ---------------------------------------------------------------------- */

size_t option_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    size_t n_a = strlen(a), n_b = strlen(b), row[LONGEST + 1];
    if (n_a > LONGEST || n_b > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < moved ? replaced : moved;
        }
    }
    return row[n_b];
}

/* A name counts as near when at most every third character is wrong. */
static bool take_nearer(const char *name, const char *typed, size_t *distance)
{
    size_t d = option_distance(name, typed);
    if (d >= *distance || d > (strlen(name) + 2) / 3)
        return false;
    *distance = d;
    return true;
}

const char *option_nearest(const option_entry *table, const char *typed)
{
    const char *nearest = NULL;
    size_t distance = SIZE_MAX;
    for (const option_entry *entry = table; entry->name; entry++)
        if (take_nearer(entry->name, typed, &distance))
            nearest = entry->name;
    return nearest;
}

const char *option_command_nearest(const char *typed)
{
    const char *nearest = NULL;
    size_t distance = SIZE_MAX;
    for (const option_command *command = option_commands; command->name; command++)
        if (take_nearer(command->name, typed, &distance))
            nearest = command->name;
    return nearest;
}
