#include "base/memory.h"
#include "data/partition.h"
#include "data_parts.h"
#include "show/labels.h"
#include "show/output.h"

#include <stdio.h>

typedef struct dealt {
    source *from;
    size_t n, n_workers, n_classes; /* training images */
    uint16_t *labels;
    uint32_t *order, *owner;
    uint64_t *sizes;    /* of the workers */
    int64_t *counts;    /* [worker][class] */
    const char **names; /* of the classes */
} dealt;

static bool dealt_init(dealt *self, const data_options *o, error *err)
{
    self->from = source_open(o->data, o->seed, err);
    if (!self->from)
        return false;
    self->n = source_count(self->from, SPLIT_TRAIN);
    self->n_workers = (size_t)o->workers;
    self->n_classes = (size_t)source_shape(self->from).n_classes;
    if (self->n_workers > self->n) {
        error_user(err, "--workers %zu: there are %zu training images", self->n_workers, self->n);
        return false;
    }
    self->labels = memory_new(self->n, sizeof *self->labels, err);
    self->order = memory_new(self->n, sizeof *self->order, err);
    self->owner = memory_new(self->n, sizeof *self->owner, err);
    self->sizes = memory_new(self->n_workers, sizeof *self->sizes, err);
    self->counts = memory_new(self->n_workers * self->n_classes, sizeof *self->counts, err);
    self->names = memory_new(self->n_classes, sizeof *self->names, err);
    for (size_t c = 0; self->names && c < self->n_classes; c++)
        self->names[c] = source_class_name(self->from, (int)c);
    return self->labels && self->order && self->owner && self->sizes && self->counts && self->names;
}

static void dealt_release(dealt *self)
{
    memory_free(self->labels);
    memory_free(self->order);
    memory_free(self->owner);
    memory_free(self->sizes);
    memory_free(self->counts);
    memory_free(self->names);
    source_free(self->from);
}

/* As training does it. */
static bool deal(dealt *self, const data_options *o, error *err)
{
    partition_task task = {.n = self->n,
                           .images = self->order,
                           .n_all = self->n,
                           .n_workers = (uint32_t)self->n_workers,
                           .seed = o->seed};
    const partition_rule *rule = partition_parse(o->partition, &task.parameter, err);
    if (rule && rule == partition_find("sizes"))
        return error_user(err, "--partition sizes: give any other; sizes are train's --shards");
    if (o->deal == DEAL_ALL)
        return error_user(err,
                          "--deal all: each worker has every image; give shuffled or contiguous");
    partition_order(o->deal != DEAL_CONTIGUOUS, o->seed, self->order, self->n);
    if (!rule || !partition(rule, &task, self->from, self->owner, self->sizes, err))
        return err->kind == ERROR_USER && error_prefix(err, "--partition %.60s", o->partition);
    if (!source_read(self->from, SPLIT_TRAIN, 0, self->n, NULL, self->labels, err))
        return false;
    for (size_t i = 0; i < self->n; i++)
        if (self->owner[i] != PARTITION_NOBODY)
            self->counts[self->owner[i] * self->n_classes + self->labels[i]]++;
    return true;
}

static void print_map(const dealt *self)
{
    labels_heads("worker", self->names, self->n_classes);
    for (size_t k = 0; k < self->n_workers; k++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", k + 1);
        labels_line(name, self->counts + k * self->n_classes, self->names, self->n_classes);
    }
}

static bool print_json(const dealt *self, const data_options *o, error *err)
{
    json_t *root = json_object(), *names = json_array(), *all = json_array();
    for (size_t c = 0; c < self->n_classes; c++)
        json_array_append_new(names, json_string(self->names[c]));
    for (size_t k = 0; k < self->n_workers; k++) {
        json_t *one = json_array();
        for (size_t c = 0; c < self->n_classes; c++)
            json_array_append_new(one, json_integer(self->counts[k * self->n_classes + c]));
        json_array_append_new(all, one);
    }
    json_object_set_new(root, "data", json_string(o->data));
    json_object_set_new(root, "partition", json_string(o->partition));
    json_object_set_new(root, "workers", json_integer((json_int_t)self->n_workers));
    json_object_set_new(root, "classes", names);
    json_object_set_new(root, "labels", all);
    return output_json(root, stdout, err);
}

bool data_partition(const data_options *options, error *err)
{
    dealt self = {0};
    bool good = dealt_init(&self, options, err) && deal(&self, options, err);
    if (good && options->json)
        good = print_json(&self, options, err);
    else if (good)
        print_map(&self);
    dealt_release(&self);
    return good;
}
