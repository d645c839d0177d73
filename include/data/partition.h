/*
 * partition.h - which worker trains on which images
 *
 * Images are dealt one after the other, as they stand in the training set or as chance has shuffled them; a rule gives
 * each an owner.  A worker has its images in the order of the training set, whatever the order in which they were
 * dealt, and the sizes of the shards follow.  Rules are asked on rank 0 alone.
 *
 * To add one: a `partition_rule` in a file src/data/partition_NAME.c, one line in src/data/partition.c.
 */
#ifndef BRAMBLE_DATA_PARTITION_H
#define BRAMBLE_DATA_PARTITION_H

#include "base/error.h"
#include "data/source.h"

#include <stddef.h>
#include <stdint.h>

/* The owner of an image that nobody trains on. */
#define PARTITION_NOBODY UINT32_MAX

/* What is to be dealt out, and to whom. */
typedef struct partition_task {
    size_t n; /* images that are dealt */
    const uint32_t
        *images;        /* their numbers in the training set, as they are dealt; NULL: 0 .. n - 1 */
    size_t n_all;       /* with images: all their numbers are below */
    uint32_t n_workers; /* at least 1 */
    uint64_t seed;      /* chance is a function of it alone (base/random.h) */
    double parameter;   /* the number behind the rule's name: dirichlet:0.5 */
    const uint64_t *sizes;  /* n_workers: images that are asked for; NULL: as the rule does it */
    const uint16_t *labels; /* n below n_classes, as they are dealt, for rules that need them */
    int n_classes;
} partition_task;

typedef struct partition_rule {
    const char *name; /* "even" */
    bool needs_labels;
    double low, high; /* of the parameter; both 0: it has none */
    bool whole;       /* the parameter is a whole number */
    /*
     * deal - owner[i] = worker of the i-th image that is dealt, below n_workers
     *   owner  inout  n; PARTITION_NOBODY where it leaves them alone
     * A pure function of the task.  false with err: it cannot be done (user), memory (environment).
     */
    bool (*deal)(const partition_task *task, uint32_t *owner, error *err);
} partition_rule;

/* partition_rules - all of them, NULL-terminated; partition_find - by name, or NULL */
extern const partition_rule *const partition_rules[];
const partition_rule *partition_find(const char *name);

/*
 * partition_parse - "even", "dirichlet:0.5": a rule, and its parameter where it has one
 * Returns NULL with err (user), which names those there are.
 */
const partition_rule *partition_parse(const char *text, double *parameter, error *err);

/* partition_order - images[i] = the i-th of n training images that is dealt: by chance, or as they stand in the set */
void partition_order(bool shuffled, uint64_t seed, uint32_t *images, size_t n);

/*
 * partition - deal out a training set by a rule
 *   from    in   read for the labels, where the rule needs them; then the task's need not be set
 *   owner   out  of each image of the training set, below task->n_all (or n): PARTITION_NOBODY for those not dealt
 *   counts  out  images of each worker, at least 1: task->n_workers
 * false with err: the rule's, the source's, or (user) a worker is left without images.  Not collective.
 */
bool partition(const partition_rule *rule, const partition_task *task, source *from,
               uint32_t *owner, uint64_t *counts, error *err);

#endif
