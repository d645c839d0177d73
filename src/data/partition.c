#include "data/partition.h"

#include "base/memory.h"
#include "base/random.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line for each rule. */
#define PARTITION_RULES(RULE)                                                                      \
    RULE(partition_even)                                                                           \
    RULE(partition_sizes)                                                                          \
    RULE(partition_dirichlet)                                                                      \
    RULE(partition_classes)                                                                        \
    RULE(partition_sorted)

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

static bool parse_parameter(const partition_rule *rule, const char *text, double *parameter,
                            error *err)
{
    char *end = NULL;
    if (rule->high == 0)
        return !text || error_user(err, "%s takes no number", rule->name);
    *parameter = text ? strtod(text, &end) : 0;
    if (text && end > text && *end == '\0' && *parameter >= rule->low && *parameter <= rule->high &&
        (!rule->whole || *parameter == floor(*parameter)))
        return true;
    return error_user(err, "expected %s:NUMBER, %s from %g to %g", rule->name,
                      rule->whole ? "a whole one" : "one", rule->low, rule->high);
}

const partition_rule *partition_parse(const char *text, double *parameter, error *err)
{
    char name[24], known[160] = "";
    const char *colon = strchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : strlen(text);
    snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, text);
    const partition_rule *rule = partition_find(name);
    if (rule)
        return parse_parameter(rule, colon ? colon + 1 : NULL, parameter, err) ? rule : NULL;
    for (const partition_rule *const *at = partition_rules; *at; at++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s%s", used > 0 ? ", " : "", (*at)->name,
                 (*at)->high > 0 ? ":NUMBER" : "");
    }
    error_user(err, "expected one of %s", known);
    return NULL;
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

/* Of the images in the order in which they are dealt. */
static bool read_labels(const partition_task *task, size_t n_all, source *from, uint16_t *labels,
                        error *err)
{
    uint16_t *all = memory_new(n_all, sizeof *all, err);
    bool good = all && source_read(from, SPLIT_TRAIN, 0, n_all, NULL, all, err);
    for (size_t i = 0; good && i < task->n; i++)
        labels[i] = all[task->images ? task->images[i] : i];
    memory_free(all);
    return good;
}

/* What the rule says of the i-th image is said of the image of its number. */
static void put_owners(const partition_task *task, size_t n_all, const uint32_t *dealt,
                       uint32_t *owner)
{
    for (size_t i = 0; i < n_all; i++)
        owner[i] = PARTITION_NOBODY;
    for (size_t i = 0; i < task->n; i++)
        owner[task->images ? task->images[i] : i] = dealt[i];
}

void partition_order(bool shuffled, uint64_t seed, uint32_t *images, size_t n)
{
    if (shuffled)
        random_shuffle(seed, random_stream(RANDOM_DEAL, 0, 0), images, n);
    else
        for (size_t i = 0; i < n; i++)
            images[i] = (uint32_t)i;
}

bool partition(const partition_rule *rule, const partition_task *task, source *from,
               uint32_t *owner, uint64_t *counts, error *err)
{
    partition_task labelled = *task;
    size_t n_all = task->images ? task->n_all : task->n;
    uint16_t *labels = memory_new(task->n, sizeof *labels, err);
    uint32_t *dealt = memory_new(task->n, sizeof *dealt, err);
    bool good = labels && dealt;
    if (good && rule->needs_labels) {
        good = read_labels(task, n_all, from, labels, err);
        labelled.labels = labels;
        labelled.n_classes = source_shape(from).n_classes;
    }
    for (size_t i = 0; good && i < task->n; i++)
        dealt[i] = PARTITION_NOBODY;
    good =
        good && rule->deal(&labelled, dealt, err) && count_images(rule, task, dealt, counts, err);
    if (good)
        put_owners(task, n_all, dealt, owner);
    memory_free(labels);
    memory_free(dealt);
    return good;
}
