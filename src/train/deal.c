#include "deal.h"

#include "base/memory.h"
#include "data/partition.h"
#include "shards.h"
#include "show/output.h"
#include "transport/transport.h"

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

static bool read_test_set(dealing *self, uint64_t n, dataset *test, error *err)
{
    if (!dataset_init(test, source_shape(self->from), (size_t)n, err) ||
        !source_read(self->from, SPLIT_TEST, 0, (size_t)n, test->images, test->labels, err))
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

bool deal_open(dealing *self, const train_options *options, input_values *input, error *err)
{
    self->from = source_open(options->data, options->seed, err);
    return self->from && input_values_init(input, source_shape(self->from), err);
}

bool deal_prepare(dealing *self, const train_options *options, uint64_t *images, dataset *test,
                  error *err)
{
    const train_options *o = options;
    const source *from = self->from;
    uint64_t n_test = 0;
    return limit("train", o->limit_train, source_count(from, SPLIT_TRAIN), &self->n_train, err) &&
           limit("test", o->limit_test, source_count(from, SPLIT_TEST), &n_test, err) &&
           deal_shards(self, o, images, err) && read_test_set(self, n_test, test, err) &&
           name_classes(self, err);
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
