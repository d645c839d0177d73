#include "options/option.h"

#include <argp.h>
#include <string.h>

/* Keys of argp: the line of the table, from here for --name and from there for --no-name. */
enum { KEY_SET = 0x100, KEY_CLEAR = 0x200, KEY_HELP = 'h', NO_BYTES = 40, DOC_BYTES = 512 };

/* argp's own table, made from ours. */
struct argp_table {
    struct argp_option entries[3 * OPTION_MAX];
    char docs[OPTION_MAX][DOC_BYTES], negated[OPTION_MAX][NO_BYTES];
    char metavars[OPTION_MAX][OPTION_METAVAR_BYTES];
    char text[4096];
    struct argp argp;
};

struct reading {
    const option_command *command;
    option_line *line;
    bool wants_help;
    error *err;
};

static void write_doc(const option_entry *entry, char *doc)
{
    if (entry->variable)
        snprintf(doc, DOC_BYTES, "%s Default: $%s, else %s.", entry->help, entry->variable,
                 entry->initial);
    else if (entry->type == OPTION_FLAG || !*entry->initial)
        snprintf(doc, DOC_BYTES, "%s", entry->help);
    else
        snprintf(doc, DOC_BYTES, "%s Default: %s.", entry->help, entry->initial);
}

static void make_entries(struct argp_table *self, const option_entry *table)
{
    struct argp_option *next = self->entries;
    for (int i = 0; table[i].name; i++) {
        const option_entry *entry = &table[i];
        bool is_flag = entry->type == OPTION_FLAG;
        if (entry->group)
            *next++ = (struct argp_option){.doc = entry->group};
        write_doc(entry, self->docs[i]);
        option_metavar(entry, self->metavars[i]);
        *next++ = (struct argp_option){.name = entry->name,
                                       .key = KEY_SET + i,
                                       .arg = is_flag ? NULL : self->metavars[i],
                                       .doc = self->docs[i]};
        if (!is_flag)
            continue;
        snprintf(self->negated[i], NO_BYTES, "no-%s", entry->name);
        *next++ = (struct argp_option){
            .name = self->negated[i], .key = KEY_CLEAR + i, .flags = OPTION_HIDDEN};
    }
    *next++ = (struct argp_option){
        .name = "help", .key = KEY_HELP, .doc = "Print this text.", .group = -1};
    *next = (struct argp_option){0};
}

static void write_preset(const option_preset *preset, FILE *to)
{
    enum { RIGHT = 76 }; /* argp breaks longer lines, but does not indent them */
    int column = RIGHT;
    fprintf(to, "\nPreset %s, %s:", preset->name, preset->about);
    for (const option_setting *setting = preset->settings; setting->name; setting++) {
        int length = (int)(strlen(setting->name) + strlen(setting->value)) + 5;
        bool breaks = column + length > RIGHT;
        fprintf(to, "%s%s = %s%s", breaks ? "\n  " : " ", setting->name, setting->value,
                setting[1].name ? "," : "\n");
        column = breaks ? length + 1 : column + length;
    }
}

static void write_text(struct argp_table *self, const option_command *command)
{
    FILE *to = fmemopen(self->text, sizeof self->text, "w");
    if (!to) /* out of memory: help without its last part */
        return;
    fprintf(to, "%s\v", command->about);
    if (command->has_presets)
        fputs("An option without a value is undone by --no- before its name.\n", to);
    for (const option_preset *preset = option_presets; command->has_presets && preset->name;
         preset++)
        write_preset(preset, to);
    fprintf(to, "%sExamples:\n%s\nMore in the manual: man bramble\n",
            command->has_presets ? "\n" : "", command->examples);
    fclose(to);
}

static error_t take(int key, char *value, struct argp_state *state);

static void argp_table_make(struct argp_table *self, const option_command *command)
{
    memset(self, 0, sizeof *self);
    make_entries(self, command->options);
    write_text(self, command);
    self->argp = (struct argp){.options = self->entries,
                               .parser = take,
                               .args_doc = *command->arguments ? command->arguments : NULL,
                               .doc = self->text};
}

/* ---- help ------------------------------------------------------------------------------------ */

bool option_print_help(const option_command *command, FILE *to, error *err)
{
    struct argp_table table;
    char name[64];
    argp_table_make(&table, command);
    snprintf(name, sizeof name, "bramble %s", command->name);
    argp_help(&table.argp, to, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
    if (fflush(to) != 0 || ferror(to))
        return error_environment(err, "help cannot be written: %m");
    return true;
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* The entry that a name, perhaps abbreviated, or its negation stands for; counts all that fit. */
static const option_entry *find_abbreviated(const option_command *command, const char *name,
                                            size_t length, int *n_fitting)
{
    const option_entry *found = NULL;
    *n_fitting = 0;
    for (const option_entry *entry = command->options; entry->name; entry++) {
        char negated[NO_BYTES];
        snprintf(negated, sizeof negated, "no-%s", entry->name);
        bool fits_negated = entry->type == OPTION_FLAG && strncmp(negated, name, length) == 0;
        if (strncmp(entry->name, name, length) != 0 && !fits_negated)
            continue;
        found = entry;
        ++*n_fitting;
        if (strlen(entry->name) == length) {
            *n_fitting = 1;
            break;
        }
    }
    return found;
}

/* getopt only tells that it did not like an argument; the table tells why. */
static void describe_refusal(const struct reading *self, const char *argument)
{
    const char *command = self->command->name, *name = argument + 2;
    if (strncmp(argument, "--", 2) != 0) {
        error_user(self->err, "%.60s: unknown option; bramble %s --help lists all", argument,
                   command);
        return;
    }
    size_t length = strcspn(name, "=");
    int n_fitting;
    const option_entry *entry = find_abbreviated(self->command, name, length, &n_fitting);
    char typed[64], metavar[OPTION_METAVAR_BYTES] = "";
    if (entry)
        option_metavar(entry, metavar);
    snprintf(typed, sizeof typed, "%.*s", (int)(length < 60 ? length : 60), name);
    if (!entry && length > 0 && strncmp("help", name, length) == 0)
        error_user(self->err, "--help: takes no value");
    else if (n_fitting > 1)
        error_user(self->err, "--%s: several options begin so; write it out", typed);
    else if (entry && entry->type != OPTION_FLAG)
        error_user(self->err, "--%s: its value %s is missing", entry->name, metavar);
    else if (entry)
        error_user(self->err, "--%.60s: takes no value; say --%s or --no-%s", name, entry->name,
                   entry->name);
    else if (option_nearest(self->command->options, typed))
        error_user(self->err, "--%s: unknown option; did you mean --%s?", typed,
                   option_nearest(self->command->options, typed));
    else
        error_user(self->err, "--%s: unknown option; bramble %s --help lists all", typed, command);
}

/* Which argument getopt stumbled over: a bundle of short options is still ahead of it, anything
 * else is behind. */
static const char *refused_argument(const struct argp_state *state)
{
    const char *ahead = state->next < state->argc ? state->argv[state->next] : "";
    if (ahead[0] == '-' && ahead[1] != '-' && ahead[1] != '\0' && ahead[2] != '\0')
        return ahead;
    return state->argv[state->next - 1];
}

static error_t take(int key, char *value, struct argp_state *state)
{
    struct reading *self = state->input;
    option_line *line = self->line;
    if (key >= KEY_SET && key < KEY_SET + OPTION_MAX)
        line->values[key - KEY_SET] = value ? value : "true";
    else if (key >= KEY_CLEAR && key < KEY_CLEAR + OPTION_MAX)
        line->values[key - KEY_CLEAR] = "false";
    else if (key == KEY_HELP)
        self->wants_help = true;
    else if (key == ARGP_KEY_ARG && line->n_arguments < self->command->max_arguments)
        line->arguments[line->n_arguments++] = value;
    else if (key == ARGP_KEY_ARG)
        error_user(self->err,
                   "%s: unexpected argument \"%.60s\"; bramble %s --help tells what is "
                   "expected",
                   self->command->name, value, self->command->name);
    else if (key == ARGP_KEY_ERROR && !self->wants_help && self->err->kind == ERROR_NONE)
        describe_refusal(self, refused_argument(state));
    else
        return ARGP_ERR_UNKNOWN;
    return self->wants_help || self->err->kind != ERROR_NONE ? EINVAL
                                                             : 0; /* both end the parsing */
}

/* Alternatives stand in lines; a message is one. */
static void refuse_arguments(const option_command *command, error *err)
{
    const char *first = command->arguments, *second = strchr(first, '\n');
    if (second)
        error_user(err, "%s: expected %.*s, or %s", command->name, (int)(second - first), first,
                   second + 1);
    else
        error_user(err, "%s: expected %s", command->name, first);
}

enum parse_outcome option_read_line(const option_command *command, int argc, char **argv,
                                    bool print, option_line *line, error *err)
{
    struct argp_table table;
    error local = {0};
    struct reading reading = {.command = command, .line = line, .err = &local};
    memset(line, 0, sizeof *line);
    argp_table_make(&table, command);
    error_t status =
        argp_parse(&table.argp, argc, argv, ARGP_SILENT | ARGP_IN_ORDER, NULL, &reading);
    if (reading.wants_help && (!print || option_print_help(command, stdout, &local)))
        return PARSE_DONE;
    if (status != 0 && local.kind == ERROR_NONE)
        error_environment(&local, "the command line cannot be read: %s", strerror(status));
    if (local.kind == ERROR_NONE && line->n_arguments < command->min_arguments)
        refuse_arguments(command, &local);
    if (local.kind == ERROR_NONE)
        return PARSE_RUN;
    if (err && err->kind == ERROR_NONE)
        *err = local;
    return PARSE_FAILED;
}
