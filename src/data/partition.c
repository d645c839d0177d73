#include "data/partition.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

/* One line for each rule. */
#define PARTITION_RULES(RULE)                                                                      \
    RULE(partition_even)                                                                           \
    RULE(partition_sizes)

#define DECLARE(rule) extern const partition_rule rule;
#define LIST(rule) &rule,

PARTITION_RULES(DECLARE)

const partition_rule *const partition_rules[] = {PARTITION_RULES(LIST) NULL};

const partition_rule *partition_find(const char *name)
{
    const partition_rule *const *rule = partition_rules;
    while (*rule && strcmp((*rule)->name, name) != 0)
        rule++;
    return *rule;
}

static bool count_images(const partition_rule *rule, const partition_task *task,
                         const uint32_t *owner, uint64_t *counts, error *err)
{
    memset(counts, 0, task->n_workers * sizeof *counts);
    for (size_t i = 0; i < task->n; i++) {
        assert(owner[i] < task->n_workers || owner[i] == PARTITION_NOBODY);
        if (owner[i] != PARTITION_NOBODY)
            counts[owner[i]]++;
    }
    for (uint32_t k = 0; k < task->n_workers; k++)
        if (counts[k] == 0)
            return error_user(err, "partition %s: worker %u of %u is left without images",
                              rule->name, k + 1, task->n_workers);
    return true;
}

bool partition(const partition_rule *rule, const partition_task *task, source *from,
               uint32_t *owner, uint64_t *counts, error *err)
{
    partition_task labelled = *task;
    uint16_t *labels = NULL;
    bool good = true;
    if (rule->needs_labels) {
        labels = memory_new(task->n, sizeof *labels, err);
        good = labels && source_read(from, SPLIT_TRAIN, 0, task->n, NULL, labels, err);
        labelled.labels = labels;
        labelled.n_classes = source_shape(from).n_classes;
    }
    for (size_t i = 0; i < task->n; i++)
        owner[i] = PARTITION_NOBODY;
    good =
        good && rule->deal(&labelled, owner, err) && count_images(rule, task, owner, counts, err);
    memory_free(labels);
    return good;
}
