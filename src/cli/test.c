#include "base/ini.h"
#include "base/memory.h"
#include "commands.h"
#include "data/normalise.h"
#include "data/source.h"
#include "engine/engine.h"
#include "host/files.h"
#include "host/threads.h"
#include "options/options.h"
#include "show/output.h"
#include "train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A model file, a data set, and the evaluation of the one on the other. */
typedef struct testing {
    test_options options;
    char *model_text;
    char model_path[OPTION_TEXT_BYTES + 32];
    model *model;
    source *from;
    input_values values;
    input_rule input;
    dataset set;
    float *w;
    evaluation evaluation;
    double accuracy_tta;
} testing;

/* What a result file says of its model. */
static bool take_description(testing *t, const char *path, record_file *file, error *err)
{
    test_options *o = &t->options;
    const char *its = record_config(file, "normalise");
    its = its ? its : "half";
    if (!normalise_check(its, err))
        return error_prefix(err, "%s: its option normalise", path);
    if (o->normalise[0] && strcmp(o->normalise, its) != 0)
        return error_user(err,
                          "--normalise %.60s: the model in %s was trained with %.200s; leave "
                          "the option out",
                          o->normalise, path, its);
    snprintf(o->normalise, sizeof o->normalise, "%s", its);
    if (!o->model[0]) {
        snprintf(t->model_path, sizeof t->model_path, "the model in %s", path);
        t->model_text = file->model_text; /* ours now */
        file->model_text = NULL;
    }
    return true;
}

/* The model's description: from --model, else from the result file itself. */
static bool read_model(testing *t, error *err)
{
    const test_options *o = &t->options;
    error plain = {0};
    char path[OPTION_TEXT_BYTES];
    snprintf(path, sizeof path, "%s", o->file);
    record_cut_group(path);
    record_file *file = record_read(path, &plain);
    bool good = !file || take_description(t, path, file, err);
    record_file_free(file);
    if (!file && !o->model[0])
        return (plain.kind == ERROR_USER ? error_user : error_environment)(
            err, "%s; without --model a result file of bramble train is needed", plain.text);
    if (!good ||
        (o->model[0] && !files_find_model(o->model, t->model_path, sizeof t->model_path, err)))
        return false;
    if (o->model[0])
        t->model_text = ini_read_file(t->model_path, err);
    if (!t->model_text)
        return false;
    t->model = model_new(t->model_path, t->model_text, err);
    return t->model != NULL;
}

static bool set_normalise(testing *t, error *err)
{
    const char *text = t->options.normalise;
    if (normalise_is_measured(text))
        return error_user(err, "--normalise %s: only bramble train measures; give its numbers",
                          text);
    return !text[0] || normalise_set(&t->values, text, err) ||
           error_prefix(err, "--normalise %.60s", text);
}

static bool read_data(testing *t, error *err)
{
    const test_options *o = &t->options;
    t->from = source_open(o->data, o->seed, err);
    if (!t->from)
        return false;
    image_shape shape = source_shape(t->from);
    size_t there = source_count(t->from, SPLIT_TEST), n = o->limit_test ? o->limit_test : there;
    if (!input_values_init(&t->values, shape, err) || !set_normalise(t, err) ||
        !input_rule_init(&t->input, &t->values, err) ||
        !evaluation_check(t->model, o->model[0] ? o->model : "in the file", &t->input, o->data,
                          err))
        return false;
    if (!views_check((enum views_kind)o->tta, shape, err))
        return false;
    if (n > there)
        return error_user(err, "--limit-test %zu: the data set has %zu such images", n, there);
    return dataset_init(&t->set, shape, n, err) &&
           source_read(t->from, SPLIT_TEST, 0, n, t->set.images, t->set.labels, err);
}

static bool evaluate(testing *t, error *err)
{
    computing with = {.engine = engine_choose(t->options.isa, err)};
    t->w = memory_new(t->model->n_weights, sizeof *t->w, err);
    if (!t->w || !with.engine || !threads_alone(t->options.threads, &with.n_threads, err) ||
        !record_read_weights(t->options.file, t->model->tensors, (size_t)t->model->n_tensors, t->w,
                             err) ||
        !evaluation_init(&t->evaluation, t->model, &t->input, &t->set, &with, err) ||
        !evaluation_see(&t->evaluation, (enum views_kind)t->options.tta, &t->values, err))
        return false;
    evaluation_begin(&t->evaluation, t->w);
    evaluation_finish(&t->evaluation);
    t->accuracy_tta = evaluation_tta(&t->evaluation);
    return true;
}

static int64_t count(const testing *t, int row, int column)
{
    return t->evaluation.confusion[(size_t)row * (size_t)t->model->n_classes + (size_t)column];
}

/* Share of class c recognised; NaN when the set has none of it. */
static double class_accuracy(const testing *t, int c)
{
    int64_t sum = 0;
    for (int k = 0; k < t->model->n_classes; k++)
        sum += count(t, c, k);
    return sum > 0 ? (double)count(t, c, c) / (double)sum : NAN;
}

static void print_text(const testing *t)
{
    int n = t->model->n_classes;
    printf("%-12s %.2f %%  (%zu of %zu images)\n", "accuracy",
           100.0 * evaluation_accuracy(&t->evaluation, EVALUATION_TEST),
           t->evaluation.of[EVALUATION_TEST].n_correct, t->set.n);
    if (!isnan(t->accuracy_tta))
        printf("%-12s %.2f %%  (mean of views: %s)\n", "with TTA", 100.0 * t->accuracy_tta,
               views_names[t->options.tta]);
    printf("%-12s %.4f  (mean cross-entropy)\n\n", "loss",
           evaluation_loss(&t->evaluation, EVALUATION_TEST));
    printf("%-12s %8s   confusion: rows are true classes, columns what the model said\n", "class",
           "accuracy");
    for (int c = 0; c < n; c++) {
        printf("%-12.12s %6.1f %% ", source_class_name(t->from, c), 100.0 * class_accuracy(t, c));
        for (int k = 0; k < n; k++)
            printf(" %5lld", (long long)count(t, c, k));
        putchar('\n');
    }
}

static bool print_json(const testing *t, error *err)
{
    int n = t->model->n_classes;
    json_t *root = json_object(), *classes = json_object(), *confusion = json_array();
    for (int c = 0; c < n; c++) {
        json_t *row = json_array();
        for (int k = 0; k < n; k++)
            json_array_append_new(row, json_integer(count(t, c, k)));
        json_array_append_new(confusion, row);
        json_object_set_new(classes, source_class_name(t->from, c),
                            output_number(class_accuracy(t, c)));
    }
    json_object_set_new(root, "file", json_string(t->options.file));
    json_object_set_new(root, "accuracy",
                        output_number(evaluation_accuracy(&t->evaluation, EVALUATION_TEST)));
    json_object_set_new(root, "accuracy_tta", output_number(t->accuracy_tta));
    json_object_set_new(root, "loss",
                        output_number(evaluation_loss(&t->evaluation, EVALUATION_TEST)));
    json_object_set_new(root, "images", json_integer((json_int_t)t->set.n));
    json_object_set_new(root, "class_accuracy", classes);
    json_object_set_new(root, "confusion", confusion);
    return output_json(root, stdout, err);
}

int command_test(int argc, char **argv)
{
    error err = {0};
    static testing t; /* large: the options hold paths */
    enum parse_outcome outcome = options_parse_test(argc, argv, true, &t.options, &err);
    if (outcome == PARSE_RUN && read_model(&t, &err) && read_data(&t, &err) && evaluate(&t, &err)) {
        if (t.options.json)
            print_json(&t, &err);
        else
            print_text(&t);
        if (err.kind == ERROR_NONE)
            output_finish(&err);
    }
    if (err.kind != ERROR_NONE)
        error_print(&err);
    evaluation_release(&t.evaluation);
    input_rule_release(&t.input);
    input_values_release(&t.values);
    dataset_release(&t.set);
    source_free(t.from);
    memory_free(t.w);
    memory_free(t.model_text);
    model_free(t.model);
    return (int)err.kind;
}
