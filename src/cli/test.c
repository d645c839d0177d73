#include "commands.h"
#include "confusion.h"
#include "data/source.h"
#include "engine/engine.h"
#include "host/machine.h"
#include "host/threads.h"
#include "options/options.h"
#include "predict/saved.h"
#include "show/output.h"
#include "train/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A model file, a data set, and the evaluation of the one on the other. */
typedef struct testing {
    test_options options;
    saved_model model;
    source *from;
    input_values values;
    input_rule input;
    dataset set;
    evaluation evaluation;
    double accuracy_tta;
} testing;

static bool read_data(testing *t, error *err)
{
    const test_options *o = &t->options;
    t->from = source_open(o->data, o->seed, err);
    if (!t->from)
        return false;
    image_shape shape = source_shape(t->from);
    size_t there = source_count(t->from, SPLIT_TEST), n = o->limit_test ? o->limit_test : there;
    if (!input_values_init(&t->values, shape, err) ||
        !saved_normalise(&t->model, &t->values, err) ||
        !input_rule_init(&t->input, &t->values, err) ||
        !evaluation_check(t->model.model, o->model[0] ? o->model : "in the file", &t->input,
                          t->from, o->data, err))
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
    if (!with.engine || !threads_alone(t->options.threads, &with.n_threads, err) ||
        !saved_weights(&t->model, err) ||
        !evaluation_init(&t->evaluation, t->model.model, &t->input, &t->set, &with, err) ||
        !evaluation_see(&t->evaluation, (enum views_kind)t->options.tta, &t->values, err))
        return false;
    machine_note_own_bits(&with, t->options.isa > 0);
    evaluation_begin(&t->evaluation, t->model.w);
    evaluation_finish(&t->evaluation);
    t->accuracy_tta = evaluation_tta(&t->evaluation);
    return true;
}

static const char *class_name(const void *of, int c)
{
    return source_class_name(of, c);
}

static confusion table_of(const testing *t)
{
    return (confusion){t->evaluation.confusion, t->model.model->n_classes, class_name, t->from};
}

static void print_text(const testing *t)
{
    const confusion table = table_of(t);
    printf("%-12s %.2f %%  (%zu of %zu images)\n", "accuracy",
           100.0 * evaluation_accuracy(&t->evaluation, EVALUATION_TEST),
           t->evaluation.of[EVALUATION_TEST].n_correct, t->set.n);
    if (!isnan(t->accuracy_tta))
        printf("%-12s %.2f %%  (mean of views: %s)\n", "with TTA", 100.0 * t->accuracy_tta,
               views_names[t->options.tta]);
    printf("%-12s %.4f  (mean cross-entropy)\n", "loss",
           evaluation_loss(&t->evaluation, EVALUATION_TEST));
    if (*t->model.simulated)
        printf("%-12s %s: the run that trained the model\n", "simulated", t->model.simulated);
    putchar('\n');
    confusion_print(&table);
}

static bool print_json(const testing *t, error *err)
{
    const confusion table = table_of(t);
    json_t *root = json_object();
    json_object_set_new(root, "file", json_string(t->options.file));
    json_object_set_new(root, "accuracy",
                        output_number(evaluation_accuracy(&t->evaluation, EVALUATION_TEST)));
    json_object_set_new(root, "accuracy_tta", output_number(t->accuracy_tta));
    json_object_set_new(root, "loss",
                        output_number(evaluation_loss(&t->evaluation, EVALUATION_TEST)));
    json_object_set_new(root, "simulated", json_string(t->model.simulated));
    json_object_set_new(root, "images", json_integer((json_int_t)t->set.n));
    confusion_put(&table, root);
    return output_json(root, stdout, err);
}

int command_test(int argc, char **argv)
{
    error err = {0};
    static testing t; /* large: the options hold paths */
    enum parse_outcome outcome = options_parse_test(argc, argv, true, &t.options, &err);
    const saved_request asked = {t.options.file, t.options.model, t.options.normalise};
    if (outcome == PARSE_RUN && saved_read(&t.model, &asked, &err) && read_data(&t, &err) &&
        evaluate(&t, &err)) {
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
    saved_release(&t.model);
    return (int)err.kind;
}
