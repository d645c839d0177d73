#include "options/options.h"

#include "base/ini.h"
#include "base/memory.h"
#include "settle.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- setting from a line, a preset, a file --------------------------------------------------- */

static bool set_from_line(const option_command *command, const option_line *line, void *options,
                          error *err)
{
    const option_entry *table = command->options;
    for (size_t i = 0; table[i].name; i++)
        if (line->values[i] && !option_set(&table[i], options, line->values[i], err))
            return error_prefix(err, "--%s %.60s", table[i].name,
                                *line->values[i] ? line->values[i] : "\"\"");
    return true;
}

/* parse_plain - a command without presets and files: defaults, then the command line */
static enum parse_outcome parse_plain(const char *name, int argc, char **argv, bool print,
                                      option_line *line, void *options, error *err)
{
    const option_command *command = option_command_find(name);
    enum parse_outcome outcome = option_read_line(command, argc, argv, print, line, err);
    if (outcome == PARSE_RUN && (!option_set_defaults(command->options, options, err) ||
                                 !set_from_line(command, line, options, err)))
        return PARSE_FAILED;
    return outcome;
}

/* The length of a round stands in two options, and a higher level's replaces a lower level's.  So a
 * level starts with both absent, and what it gives is settled with what was there before. */
static const uint64_t ABSENT = UINT64_MAX;

struct round_length {
    uint64_t epochs, steps;
};

static struct round_length start_level(train_options *options)
{
    struct round_length before = {options->local_epochs, options->local_steps};
    options->local_epochs = options->local_steps = ABSENT;
    return before;
}

static bool end_level(train_options *options, struct round_length before, error *err)
{
    uint64_t *epochs = &options->local_epochs, *steps = &options->local_steps;
    bool has_epochs = *epochs != ABSENT && *epochs > 0, has_steps = *steps != ABSENT && *steps > 0;
    if (has_epochs && has_steps)
        return error_user(err, "--local-epochs and --local-steps exclude each other; give one");
    if (*epochs == 0 && !has_steps && (*steps == 0 || before.steps == 0))
        return error_user(err, "--local-epochs 0 needs --local-steps above 0");
    if (*epochs == ABSENT)
        *epochs = has_steps ? 0 : before.epochs;
    if (*steps == ABSENT)
        *steps = has_epochs ? 0 : before.steps;
    if (*epochs == 0 && *steps == 0) /* steps taken back */
        *epochs = 1;
    return true;
}

static bool set_from_preset(const option_entry *table, train_options *options, error *err)
{
    if (options->preset == 0)
        return true;
    const option_preset *preset = &option_presets[options->preset - 1];
    struct round_length before = start_level(options);
    for (const option_setting *setting = preset->settings; setting->name; setting++) {
        const option_entry *entry = option_find(table, setting->name);
        assert(entry);
        if (!option_set(entry, options, setting->value, err))
            return error_prefix(err, "preset %s, %s", preset->name, setting->name);
        options->given[entry - table] = LEVEL_PRESET;
    }
    return end_level(options, before, err);
}

struct file_reading {
    const option_entry *table;
    train_options *options;
    int lines[OPTION_MAX]; /* where each option was given */
};

static bool visit_setting(void *user, int line, const char *section, const char *name,
                          const char *value, error *err)
{
    struct file_reading *self = user;
    if (*section && strcmp(section, "train") != 0)
        return error_user(err, "section [%.60s]: expected [train] or none", section);
    const option_entry *entry = option_find(self->table, name);
    const char *nearest = entry ? NULL : option_nearest(self->table, name);
    if (nearest)
        return error_user(err, "%.60s: unknown option; did you mean %s?", name, nearest);
    if (!entry)
        return error_user(err, "%.60s: unknown option; bramble train --help lists all", name);
    if (strcmp(name, "config") == 0)
        return error_user(err, "config: cannot stand in a file; give it on the command line");
    int *given = &self->lines[entry - self->table];
    if (*given)
        return error_user(err, "%s: given before, in line %d", name, *given);
    *given = line;
    self->options->given[entry - self->table] = LEVEL_GIVEN;
    return option_set(entry, self->options, value, err) ||
           error_prefix(err, "%s = %.60s", name, value);
}

static bool visit_preset(void *user, int line, const char *section, const char *name,
                         const char *value, error *err)
{
    return strcmp(name, "preset") != 0 || visit_setting(user, line, section, name, value, err);
}

static bool set_from_text(const option_entry *table, train_options *options, const char *text,
                          ini_visit *visit, error *err)
{
    struct file_reading reading = {.table = table, .options = options};
    return ini_parse_text(options->config, text, visit, &reading, err);
}

static bool set_from_file(const option_entry *table, train_options *options, const char *text,
                          error *err)
{
    struct round_length before = start_level(options);
    if (!set_from_text(table, options, text, visit_setting, err))
        return false;
    return end_level(options, before, err) || error_prefix(err, "%.300s", options->config);
}

/* ---- train ----------------------------------------------------------------------------------- */

/* The preset's name may stand on the command line or in the file; all else waits for its level. */
static bool find_preset(const option_command *command, const option_line *line, const char *text,
                        train_options *options, error *err)
{
    const option_entry *entry = option_find(command->options, "preset");
    const char *value = line->values[entry - command->options];
    if (text && !set_from_text(command->options, options, text, visit_preset, err))
        return false;
    return !value || option_set(entry, options, value, err) ||
           error_prefix(err, "--preset %.60s", value);
}

static bool set_levels(const option_command *command, const option_line *line, const char *text,
                       train_options *options, error *err)
{
    if (!find_preset(command, line, text, options, err) ||
        !set_from_preset(command->options, options, err) ||
        (text && !set_from_file(command->options, options, text, err)))
        return false;
    struct round_length before = start_level(options);
    for (size_t i = 0; command->options[i].name; i++)
        if (line->values[i])
            options->given[i] = LEVEL_GIVEN;
    return set_from_line(command, line, options, err) && end_level(options, before, err) &&
           settle_options(command->options, options, err);
}

const char *options_config(const option_line *line)
{
    const option_entry *table = option_command_find("train")->options;
    const char *path = line->values[option_find(table, "config") - table];
    return path && *path ? path : NULL;
}

bool options_set_train(const option_line *line, const char *text, train_options *options,
                       error *err)
{
    const option_command *command = option_command_find("train");
    const char *path = options_config(line);
    memset(options->given, 0, sizeof options->given);
    if (!option_set_defaults(command->options, options, err))
        return false;
    if (path && !option_set(option_find(command->options, "config"), options, path, err))
        return error_prefix(err, "--config %.60s", path);
    return set_levels(command, line, text, options, err);
}

/* ---- the other subcommands ------------------------------------------------------------------- */

enum parse_outcome options_parse_test(int argc, char **argv, bool print, test_options *options,
                                      error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("test", argc, argv, print, &line, options, err);
    if (outcome == PARSE_RUN)
        options->file = line.arguments[0];
    return outcome;
}

/* What does not go together; NULL where all does. */
static const char *predict_conflict(const predict_options *o)
{
    if (o->json && o->csv)
        return "--json and --csv exclude each other";
    if (o->evaluate && o->csv)
        return "--csv does not go with --evaluate";
    if (o->evaluate && (o->n_pictures != 1 || strcmp(o->pictures[0], "-") == 0))
        return "--evaluate: expected one folder that has a folder for each class";
    for (size_t i = 0; o->n_pictures > 1 && i < o->n_pictures; i++)
        if (strcmp(o->pictures[i], "-") == 0)
            return "-: pictures from standard input do not go with others";
    return NULL;
}

enum parse_outcome options_parse_predict(int argc, char **argv, bool print,
                                         predict_options *options, error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("predict", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    options->file = line.arguments[0];
    options->n_pictures = line.n_arguments - 1;
    memcpy(options->pictures, line.arguments + 1, options->n_pictures * sizeof *options->pictures);
    const char *conflict = predict_conflict(options);
    if (!conflict)
        return PARSE_RUN;
    error_user(err, "%s", conflict);
    return PARSE_FAILED;
}

enum parse_outcome options_parse_report(int argc, char **argv, bool print, report_options *options,
                                        error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("report", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    options->n_files = line.n_arguments;
    memcpy(options->files, line.arguments, sizeof options->files);
    const char *other = options->trace[0]                  ? "--trace"
                        : options->base[0]                 ? "--base"
                        : strcmp(options->by, "case") != 0 ? "--by"
                                                           : NULL;
    if (options->labels && (options->rounds || options->ranks || other))
        error_user(err, "%s does not go with --labels",
                   options->rounds  ? "--rounds"
                   : options->ranks ? "--ranks"
                                    : other);
    else if (!other || !(options->rounds || options->ranks))
        return PARSE_RUN;
    else
        error_user(err, "%s does not go with --rounds and --ranks", other);
    return PARSE_FAILED;
}

enum parse_outcome options_parse_plan(int argc, char **argv, bool print, plan_options *options,
                                      error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("plan", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    options->n_files = line.n_arguments;
    memcpy(options->files, line.arguments, sizeof options->files);
    if (options->local_steps == 0 || options->local_epochs == 0)
        return PARSE_RUN;
    error_user(err, "--local-steps and --local-epochs exclude each other");
    return PARSE_FAILED;
}

enum parse_outcome options_parse_watch(int argc, char **argv, bool print, watch_options *options,
                                       error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("watch", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    options->port = 0;
    bool port_first =
        line.n_arguments == 2 && option_whole(line.arguments[0], 0, 65535, &options->port);
    options->file = line.arguments[port_first ? 1 : 0];
    if (line.n_arguments == 2 && !options->web)
        error_user(err, "%s: watch follows one file at a time", line.arguments[1]);
    else if (line.n_arguments == 2 && !port_first &&
             !option_whole(line.arguments[1], 0, 65535, &options->port))
        error_user(err, "--web %s: expected a port, 0 to 65535, and one file", line.arguments[0]);
    else if (strcmp(options->bind, "127.0.0.1") != 0 && !options->web)
        error_user(err, "--bind %s goes with --web", options->bind);
    else
        return PARSE_RUN;
    return PARSE_FAILED;
}

bool options_set_doctor(const option_line *line, doctor_options *options, error *err)
{
    const option_command *command = option_command_find("doctor");
    return option_set_defaults(command->options, options, err) &&
           set_from_line(command, line, options, err);
}

enum parse_outcome options_parse_info(int argc, char **argv, bool print, info_options *options,
                                      error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("info", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    options->file = line.n_arguments > 0 ? line.arguments[0] : NULL;
    if (options->model[0] && options->file)
        error_user(err, "--model %s: a result file is named, too", options->model);
    else if (options->dot && (!options->model[0] || options->json))
        error_user(err, "--dot goes with --model, and without --json");
    else
        return PARSE_RUN;
    return PARSE_FAILED;
}

enum parse_outcome options_parse_data(int argc, char **argv, bool print, data_options *options,
                                      error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("data", argc, argv, print, &line, options, err);
    if (outcome != PARSE_RUN)
        return outcome;
    static const struct {
        const char *word;
        int least, most; /* arguments, itself counted */
    } actions[] = {[DATA_CHECK] = {"check", 2, 2},         [DATA_SYNTH] = {"synth", 2, 3},
                   [DATA_INFO] = {"info", 2, 2},           [DATA_PACK] = {"pack", 3, 3},
                   [DATA_PARTITION] = {"partition", 2, 2}, [DATA_PICTURES] = {"pictures", 3, 4}};
    const char *word = line.n_arguments > 0 ? line.arguments[0] : "";
    const int n_actions = sizeof actions / sizeof *actions, n = (int)line.n_arguments;
    int k = 0;
    while (k < n_actions &&
           (strcmp(word, actions[k].word) != 0 || n < actions[k].least || n > actions[k].most))
        k++;
    options->n = 0;
    if (k == n_actions)
        error_user(err, "data: expected check DIR, synth DIR [N], info DATA, pack DATA OUT.h5, "
                        "partition DATA or pictures DATA DIR [N]");
    else if (k == DATA_SYNTH && n == 3 &&
             !option_whole(line.arguments[2], 1, SYNTH_MAX, &options->n))
        error_user(err, "data synth %.200s %.60s: expected a whole number from 1 to %d",
                   line.arguments[1], line.arguments[2], SYNTH_MAX);
    else if (k == DATA_PICTURES && n == 4 &&
             !option_whole(line.arguments[3], 1, OPTION_MAX_IMAGES, &options->n))
        error_user(err, "data pictures ... %.60s: expected a whole number from 1",
                   line.arguments[3]);
    else {
        options->action = (enum data_action)k;
        options->data = line.arguments[1];
        options->out = k == DATA_PACK || k == DATA_PICTURES ? line.arguments[2] : NULL;
        return PARSE_RUN;
    }
    return PARSE_FAILED;
}

enum parse_outcome options_parse_export(int argc, char **argv, bool print, export_options *options,
                                        error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("export", argc, argv, print, &line, options, err);
    if (outcome == PARSE_RUN) {
        options->file = line.arguments[0];
        options->out = line.arguments[1];
    }
    return outcome;
}

enum parse_outcome options_parse_import(int argc, char **argv, bool print, import_options *options,
                                        error *err)
{
    option_line line;
    enum parse_outcome outcome = parse_plain("import", argc, argv, print, &line, options, err);
    if (outcome == PARSE_RUN) {
        options->file = line.arguments[0];
        options->out = line.arguments[1];
    }
    return outcome;
}

/* ---- the record ------------------------------------------------------------------------------ */

bool options_pairs_init(options_pairs *self, const train_options *options, error *err)
{
    const option_entry *table = option_command_find("train")->options;
    *self = (options_pairs){.text = memory_new(OPTION_MAX, OPTION_FORMAT_BYTES, err)};
    if (!self->text)
        return false;
    for (; table[self->n].name; self->n++) {
        char *value = self->text + self->n * OPTION_FORMAT_BYTES;
        option_format(&table[self->n], options, value);
        self->pairs[self->n] = (record_pair){.name = table[self->n].name, .value = value};
    }
    return true;
}

void options_pairs_release(options_pairs *self)
{
    memory_free(self->text);
    *self = (options_pairs){0};
}
