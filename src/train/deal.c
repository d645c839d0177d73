#include "deal.h"

#include "base/memory.h"
#include "data/holdout.h"
#include "data/normalise.h"
#include "data/partition.h"
#include "data/sampler.h"
#include "record/record.h"
#include "shards.h"
#include "show/output.h"
#include "transport/transport.h"

#include <stdio.h>
#include <string.h>

static bool limit(const char *name, uint64_t asked, size_t there, uint64_t *n, error *err)
{
    if (asked > there)
        return error_user(err, "--limit-%s %llu: the data set has %zu such images", name,
                          (unsigned long long)asked, there);
    *n = asked > 0 ? asked : there;
    return true;
}

/* Which rule, and what it is to keep to. */
static const partition_rule *choose_partition(const train_options *o, partition_task *task,
                                              error *err)
{
    const option_list *given = &o->shards;
    const uint32_t n = task->n_workers;
    const char *what = o->clients > 0 ? "client" : "worker";
    if (given->n == 0)
        return partition_parse(o->partition, &task->parameter, err);
    task->sizes = given->values;
    if (given->n == n)
        return partition_find("sizes");
    error_user(err, "%zu size%s for %u %s%s: give one for each", given->n, PLURAL(given->n), n,
               what, PLURAL(n));
    return NULL;
}

/* Which images there are to be dealt, one after the other: all but those held out. */
static size_t list_images(const dealing *self, bool shuffled, uint64_t seed, uint32_t *images)
{
    size_t n_all = (size_t)self->n_train, n = 0;
    partition_order(shuffled, seed, images, n_all);
    for (size_t k = 0; k < self->n_held; k++)
        self->owner[self->held[k]] = 0; /* a mark, until the owners are known */
    for (size_t i = 0; i < n_all; i++)
        if (self->owner[images[i]] == PARTITION_NOBODY)
            images[n++] = images[i];
    return n;
}

/* Whose doing it is that images cannot be dealt. */
static bool blame_option(const train_options *o, error *err)
{
    if (err->kind != ERROR_USER)
        return false;
    if (o->clients > 0)
        error_prefix(err, "--clients %llu", (unsigned long long)o->clients);
    if (o->shards.n > 0)
        return error_prefix(err, "--shards");
    return strcmp(o->partition, "even") != 0 && error_prefix(err, "--partition %s", o->partition);
}

/* What clients test with is none of their shards. */
static bool set_aside(dealing *self, const train_options *o, course *on, error *err)
{
    if (o->eval_clients == 0.0)
        return true;
    self->tester = memory_new((size_t)self->n_train, sizeof *self->tester, err);
    const holdout_owners of = {self->owner, self->tester, (size_t)self->n_train,
                               on->images,  on->tests,    (size_t)on->n_clients};
    return self->tester && (holdout_of_each(&of, o->eval_clients, o->seed, err) ||
                            error_prefix(err, "--eval-clients %g", o->eval_clients));
}

static bool deal_shards(dealing *self, const train_options *o, course *on, error *err)
{
    size_t n_all = (size_t)self->n_train;
    bool shuffled = o->deal != DEAL_CONTIGUOUS && o->order == ORDER_SHUFFLE;
    uint32_t *order = memory_new(n_all, sizeof *order, err);
    self->owner = memory_new(n_all, sizeof *self->owner, err);
    bool good = order && self->owner;
    for (size_t i = 0; good && i < n_all; i++)
        self->owner[i] = PARTITION_NOBODY;
    partition_task task = {
        .images = order, .n_all = n_all, .n_workers = (uint32_t)on->n_clients, .seed = o->seed};
    if (good)
        task.n = list_images(self, shuffled, o->seed, order);
    const partition_rule *rule = good ? choose_partition(o, &task, err) : NULL;
    good = rule && partition(rule, &task, self->from, self->owner, on->images, err);
    memory_free(order);
    return (good || blame_option(o, err)) && set_aside(self, o, on, err);
}

static bool hold_out(dealing *self, const train_options *o, error *err)
{
    self->n_held = (size_t)o->validate;
    if (self->n_held == 0)
        return true;
    const char *what = "--validate";
    if (self->n_held >= self->n_train)
        return error_user(err, "%s %zu: there are %llu training images in all", what, self->n_held,
                          (unsigned long long)self->n_train);
    self->held = memory_new(self->n_held, sizeof *self->held, err);
    return self->held && (holdout_choose(self->from, (size_t)self->n_train, o->seed, self->held,
                                         self->n_held, err) ||
                          error_prefix(err, "%s %zu", what, self->n_held));
}

/* The images held out: runs of neighbours, each read at once. */
static bool read_held(dealing *self, dataset *to, error *err)
{
    const uint32_t *held = self->held;
    if (!dataset_init(to, source_shape(self->from), self->n_held, err))
        return false;
    for (size_t i = 0, end; i < self->n_held; i = end) {
        for (end = i + 1; end < self->n_held && held[end] == held[end - 1] + 1; end++)
            ;
        if (!source_read(self->from, SPLIT_TRAIN, held[i], end - i,
                         to->images + i * image_bytes(to->shape), to->labels + i, err))
            return false;
    }
    return true;
}

bool deal_test(dealing *self, dataset *test, dataset *validation, error *err)
{
    size_t n = (size_t)self->n_test;
    if (!dataset_init(test, source_shape(self->from), n, err) ||
        !source_read(self->from, SPLIT_TEST, 0, n, test->images, test->labels, err))
        return false;
    data_checksum_add(&self->test_sum, test->shape, test->images, test->labels, test->n);
    return self->n_held == 0 || read_held(self, validation, err);
}

static bool list_classes(dealing *self, const course *on, error *err)
{
    int n_classes = source_shape(self->from).n_classes;
    self->labels = memory_new((size_t)on->n_clients * (size_t)n_classes, sizeof *self->labels, err);
    self->class_names = memory_new((size_t)n_classes, sizeof *self->class_names, err);
    for (int c = 0; self->class_names && c < n_classes; c++)
        self->class_names[c] = source_class_name(self->from, c);
    return self->class_names && self->labels;
}

bool deal_open(dealing *self, const train_options *options, course *on, error *err)
{
    const train_options *o = options;
    self->from = source_open(o->data, o->seed, err);
    return self->from &&
           limit("train", o->limit_train, source_count(self->from, SPLIT_TRAIN), &self->n_train,
                 err) &&
           limit("test", o->limit_test, source_count(self->from, SPLIT_TEST), &self->n_test, err) &&
           hold_out(self, o, err) && deal_shards(self, o, on, err) && list_classes(self, on, err);
}

/* Who goes on from a model goes on with what its images were taken by. */
static bool inherit(const char *init, char *text, error *err)
{
    char path[OPTION_TEXT_BYTES];
    snprintf(path, sizeof path, "%s", init);
    record_cut_group(path);
    snprintf(text, OPTION_TEXT_BYTES, "%s", "half");
    error none = {0}; /* weights alone say nothing of it */
    record_file *from = init[0] ? record_read(path, &none) : NULL;
    const char *its = from ? record_config(from, "normalise") : NULL;
    if (its)
        snprintf(text, OPTION_TEXT_BYTES, "%s", its);
    record_file_free(from);
    return normalise_check(text, err) || error_prefix(err, "--init %s: its option normalise", init);
}

bool deal_normalise(dealing *self, train_options *options, input_values *input, error *err)
{
    char *text = options->normalise;
    if (!input_values_init(input, source_shape(self->from), err) ||
        (!text[0] && !inherit(options->init, text, err)))
        return false;
    if (!normalise_is_measured(text))
        return normalise_set(input, text, err) || error_prefix(err, "--normalise %s", text);
    return normalise_measure(input, self->from, self->owner, (size_t)self->n_train, err) &&
           (normalise_write(input, text, OPTION_TEXT_BYTES, err) ||
            error_prefix(err, "--normalise %s", text));
}

void deal_release(dealing *self)
{
    source_free(self->from);
    memory_free(self->class_names);
    memory_free(self->owner);
    memory_free(self->tester);
    memory_free(self->held);
    memory_free(self->labels);
    *self = (dealing){0};
}

bool deal_sample(dealing *self, size_t n, dataset *to, error *err)
{
    const size_t bytes = image_bytes(source_shape(self->from));
    size_t there = 0, seen = 0, taken = 0;
    if (!dataset_init(to, source_shape(self->from), n, err))
        return false;
    for (size_t k = 0; k < self->n_train; k++)
        there += self->owner[k] != PARTITION_NOBODY;
    for (size_t k = 0; k < self->n_train && taken < n; k++) {
        if (self->owner[k] == PARTITION_NOBODY || seen++ != taken * there / n)
            continue;
        if (!source_read(self->from, SPLIT_TRAIN, k, 1, to->images + taken * bytes,
                         to->labels + taken, err))
            return false;
        to->numbers[taken++] = (uint32_t)k;
    }
    return true;
}

int64_t deal_checksum(const dealing *self)
{
    uint64_t labels = self->train_sum.labels ^ (uint64_t)self->test_sum.labels << 1;
    uint64_t images = self->train_sum.images ^ (uint64_t)self->test_sum.images << 1;
    return (int64_t)(labels << 31 ^ images);
}

void deal_out(dealing *self, const course *on, worker *to, error *err)
{
    const shards_plan plan = {.from = self->from,
                              .owner = self->owner,
                              .tester = self->tester,
                              .n = (size_t)self->n_train,
                              .on = on,
                              .labels = self->labels,
                              .sum = &self->train_sum};
    shards_deliver(&plan, transport_is_worker() ? to : NULL, err);
}
