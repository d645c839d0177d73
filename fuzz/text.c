/* Model files, configuration files, command lines. */
#include "fuzz.h"

#include "base/ini.h"
#include "base/memory.h"
#include "model/network.h"
#include "options/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FEATURES = 1 << 12, MOST_WEIGHTS = 1 << 14, N_IMAGES = 3 };
#define MOST_FLOPS 3e5

/* ---- INI ------------------------------------------------------------------------------------- */

static bool visit(void *user, int line, const char *section, const char *name, const char *value,
                  error *err)
{
    int *last = user;
    fuzz_need(line > *last && *name && strlen(section) + strlen(value) < INI_TEXT_MAX_BYTES,
              "a line");
    *last = line;
    return strcmp(name, "stop") != 0 || error_user(err, "stop");
}

void fuzz_ini(const uint8_t *data, size_t n)
{
    error err = {0};
    int line = 0;
    char *text = fuzz_text(data, n);
    bool good = ini_parse_text("x.ini", text, visit, &line, &err);
    fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
    free(text);
}

/* ---- models ---------------------------------------------------------------------------------- */

static bool is_small(const model *m)
{
    size_t most = layer_features(m->input);
    for (int k = 0; k < m->n_layers; k++)
        if (layer_features(m->layers[k].out) > most)
            most = layer_features(m->layers[k].out);
    return most <= MOST_FEATURES && m->n_weights <= MOST_WEIGHTS && m->flops_step <= MOST_FLOPS;
}

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const model *m = arg;
    size_t count = layer_features(m->input) * VEC_WIDTH;
    for (size_t i = 0; i < count; i++)
        x[i] = i % VEC_WIDTH < n ? (float)(i % 7) - 3.0F : 0.0F;
    for (size_t i = 0; i < n; i++)
        labels[i] = (uint16_t)((first + i) % (size_t)m->n_classes);
}

/* A model that is accepted can be run: its kernels know no errors. */
static void train(model *m)
{
    error err = {0};
    size_t n = m->n_weights;
    network *net = network_new(m, N_IMAGES, true, 1, &err);
    float *w = memory_new(n, sizeof *w, NULL), *g = memory_new(n, sizeof *g, NULL);
    optimizer by;
    bool good = optimizer_init(&by, optimizer_rules[0], &(optimizer_settings){.lr = 0.01}, m, &err);
    fuzz_need(net && w && g && good, "no memory for a small model");
    network_vectors at = {w, g};
    model_init(m, w, 1);
    network_result result =
        network_step(net, &at, &by, &(network_input){.load = load, .arg = m}, N_IMAGES);
    fuzz_need(result.n_correct <= N_IMAGES, "more hits than images");
    network_free(net);
    memory_free(w);
    memory_free(g);
    optimizer_release(&by);
}

static void check_tensors(const model *m)
{
    size_t n = 0, statistics = m->n_trained;
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        size_t count = 1, *next = t->role == TENSOR_TRAINED ? &n : &statistics;
        for (int d = 0; d < t->n_dims; d++)
            count *= t->dims[d];
        fuzz_need(t->offset == *next && t->count == count && count > 0,
                  "tensors do not cover the weights");
        *next += count;
    }
    fuzz_need(n == m->n_trained && statistics == m->n_weights && statistics <= MODEL_MAX_WEIGHTS,
              "tensors do not cover the weights");
}

void fuzz_model(const uint8_t *data, size_t n)
{
    error err = {0};
    char *text = ini_read_file(fuzz_file(data, n), &err);
    model *m = text ? model_new("x.ini", text, &err) : NULL;
    fuzz_need((m != NULL) == (err.kind == ERROR_NONE), "success and an error, or neither");
    if (m) {
        check_tensors(m);
        if (is_small(m))
            train(m);
    }
    model_free(m);
    memory_free(text);
}

/* ---- options --------------------------------------------------------------------------------- */

static const uint8_t *config;
static size_t n_config;

static char *read_config(const char *path, error *err)
{
    (void)path;
    return ini_read_file(fuzz_file(config, n_config), err);
}

/* What a run writes into its record makes the same options again. */
static void check_pairs(const train_options *o)
{
    error err = {0};
    options_pairs pairs;
    train_options again = *o;
    const option_entry *table = option_command_find("train")->options;
    fuzz_need(options_pairs_init(&pairs, o, &err), "no memory for pairs");
    for (size_t i = 0; i < pairs.n; i++) {
        const option_entry *entry = option_find(table, pairs.pairs[i].name);
        if (pairs.pairs[i].value[0])
            fuzz_need(option_set(entry, &again, pairs.pairs[i].value, &err), pairs.pairs[i].name);
    }
    fuzz_need(o->batch >= 1 && o->rounds >= 1 && o->lr >= 0 && isfinite(o->lr) &&
                  (o->local_epochs == 0) != (o->local_steps == 0),
              "options out of range");
    options_pairs_release(&pairs);
}

/* What is accepted comes out of option_format as something that is accepted and comes out the same. */
void fuzz_value(const uint8_t *data, size_t n)
{
    static train_options o;
    static char first[OPTION_FORMAT_BYTES], second[OPTION_FORMAT_BYTES];
    static size_t n_entries;
    const option_entry *table = option_command_find("train")->options;
    error err = {0};
    while (table[n_entries].name)
        n_entries++;
    const option_entry *entry = &table[n > 0 ? data[0] % n_entries : 0];
    char *value = fuzz_text(n > 0 ? data + 1 : data, n > 0 ? n - 1 : 0);
    bool good = option_set(entry, &o, value, &err);
    fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
    if (good) {
        option_format(entry, &o, first);
        if (first[0]) {
            fuzz_need(option_set(entry, &o, first, &err), "what was formatted is refused");
            option_format(entry, &o, second);
            fuzz_need(strcmp(first, second) == 0, "what was formatted changes");
        }
    }
    free(value);
}

static void parse_train(int argc, char **argv, error *err)
{
    static train_options o;
    static option_line line;
    const option_command *command = option_command_find("train");
    if (option_read_line(command, argc, argv, false, &line, err) != PARSE_RUN)
        return;
    const char *path = options_config(&line);
    char *text = path ? read_config(path, err) : NULL;
    if ((!path || text) && options_set_train(&line, text, &o, err))
        check_pairs(&o);
    else
        fuzz_need(err->kind != ERROR_ENVIRONMENT, err->text);
    memory_free(text);
}

void fuzz_config(const uint8_t *data, size_t n)
{
    error err = {0};
    char *argv[] = {"train", "--config", "x.ini", NULL};
    config = data;
    n_config = n;
    parse_train(3, argv, &err);
}

void fuzz_options(const uint8_t *data, size_t n)
{
    enum { MOST_ARGUMENTS = 64 };
    static test_options test;
    static report_options report;
    static info_options info;
    static data_options data_of;
    error err = {0};
    char *text = fuzz_text(data, n), *argv[MOST_ARGUMENTS + 1], *rest = text;
    int argc = 0;
    for (char *line; argc < MOST_ARGUMENTS && (line = strsep(&rest, "\n"));)
        argv[argc++] = line;
    argv[argc] = NULL;
    config = (const uint8_t *)"rounds = 2\n";
    n_config = 11;
    if (strcmp(argv[0], "test") == 0)
        options_parse_test(argc, argv, false, &test, &err);
    else if (strcmp(argv[0], "report") == 0)
        options_parse_report(argc, argv, false, &report, &err);
    else if (strcmp(argv[0], "info") == 0)
        options_parse_info(argc, argv, false, &info, &err);
    else if (strcmp(argv[0], "data") == 0)
        options_parse_data(argc, argv, false, &data_of, &err);
    else
        parse_train(argc, argv, &err);
    free(text);
}
