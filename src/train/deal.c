#include "deal.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "data/partition.h"
#include "record/record.h"
#include "shards.h"
#include "show/output.h"
#include "transport/transport.h"

#include <stdio.h>

static bool limit(const char *name, uint64_t asked, size_t there, uint64_t *n, error *err)
{
    if (asked > there)
        return error_user(err, "--limit-%s %llu: the data set has %zu such images", name,
                          (unsigned long long)asked, there);
    *n = asked > 0 ? asked : there;
    return true;
}

/* Which rule, and what it is to keep to. */
static bool choose_partition(const option_list *given, const partition_rule **rule,
                             partition_task *task, error *err)
{
    uint32_t n_workers = (uint32_t)transport_workers();
    *rule = partition_find(given->n > 0 ? "sizes" : "even");
    task->n_workers = n_workers;
    task->sizes = given->n > 0 ? given->values : NULL;
    return given->n == 0 || given->n == n_workers ||
           error_user(err, "%zu size%s for %u worker%s: give one for each", given->n,
                      PLURAL(given->n), n_workers, PLURAL(n_workers));
}

static bool deal_shards(dealing *self, const train_options *o, uint64_t *images, error *err)
{
    const partition_rule *rule;
    partition_task task = {.n = (size_t)self->n_train, .seed = o->seed};
    self->owner = memory_new(task.n, sizeof *self->owner, err);
    if (!self->owner)
        return false;
    if (choose_partition(&o->shards, &rule, &task, err) &&
        partition(rule, &task, self->from, self->owner, images, err))
        return true;
    return o->shards.n > 0 && err->kind == ERROR_USER && error_prefix(err, "--shards");
}

bool deal_test(dealing *self, dataset *test, error *err)
{
    size_t n = (size_t)self->n_test;
    if (!dataset_init(test, source_shape(self->from), n, err) ||
        !source_read(self->from, SPLIT_TEST, 0, n, test->images, test->labels, err))
        return false;
    data_checksum_add(&self->test_sum, test->shape, test->images, test->labels, test->n);
    return true;
}

static bool name_classes(dealing *self, error *err)
{
    int n_classes = source_shape(self->from).n_classes;
    self->class_names = memory_new((size_t)n_classes, sizeof *self->class_names, err);
    for (int c = 0; self->class_names && c < n_classes; c++)
        self->class_names[c] = source_class_name(self->from, c);
    return self->class_names != NULL;
}

bool deal_open(dealing *self, const train_options *options, uint64_t *images, error *err)
{
    const train_options *o = options;
    self->from = source_open(o->data, o->seed, err);
    return self->from &&
           limit("train", o->limit_train, source_count(self->from, SPLIT_TRAIN), &self->n_train,
                 err) &&
           limit("test", o->limit_test, source_count(self->from, SPLIT_TEST), &self->n_test, err) &&
           deal_shards(self, o, images, err) && name_classes(self, err);
}

/* Who goes on from a model goes on with what its images were taken by. */
static bool inherit(const char *init, char *text, error *err)
{
    char path[OPTION_TEXT_BYTES];
    snprintf(path, sizeof path, "%s", init);
    record_cut_group(path);
    snprintf(text, OPTION_TEXT_BYTES, "%s", "half");
    error none = {0}; /* weights alone say nothing of it */
    record_file *model = init[0] ? record_read(path, &none) : NULL;
    const char *its = model ? record_config(model, "normalise") : NULL;
    if (its)
        snprintf(text, OPTION_TEXT_BYTES, "%s", its);
    record_file_free(model);
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
    *self = (dealing){0};
}

int64_t deal_checksum(const dealing *self)
{
    uint64_t labels = self->train_sum.labels ^ (uint64_t)self->test_sum.labels << 1;
    uint64_t images = self->train_sum.images ^ (uint64_t)self->test_sum.images << 1;
    return (int64_t)(labels << 31 ^ images);
}

void deal_out(dealing *self, dataset *shard, error *err)
{
    shards_deliver(self->from, self->owner, (size_t)self->n_train,
                   transport_is_worker() ? shard : NULL, &self->train_sum, err);
}
