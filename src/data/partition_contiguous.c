#include "data/partition.h"

#include <inttypes.h>

static size_t give(uint32_t *owner, size_t first, uint64_t n, uint32_t worker)
{
    for (size_t i = 0; i < n; i++)
        owner[first + i] = worker;
    return first + (size_t)n;
}

static bool deal_evenly(const partition_task *task, uint32_t *owner, error *err)
{
    size_t first = 0, n_workers = task->n_workers;
    if (task->n < n_workers)
        return error_user(
            err, "%zu workers for %zu training images: start fewer ranks or use more images",
            n_workers, task->n);
    for (uint32_t k = 0; k < n_workers; k++)
        first = give(owner, first, task->n / n_workers + (k < task->n % n_workers), k);
    return true;
}

static bool deal_sizes(const partition_task *task, uint32_t *owner, error *err)
{
    uint64_t sum = 0;
    size_t first = 0;
    for (uint32_t k = 0; k < task->n_workers; k++)
        sum += task->sizes[k];
    if (sum > task->n)
        return error_user(err, "%" PRIu64 " images together, but there are %zu to train on", sum,
                          task->n);
    for (uint32_t k = 0; k < task->n_workers; k++)
        first = give(owner, first, task->sizes[k], k);
    return true;
}

/* One after the other, as many for each worker, but for one image. */
const partition_rule partition_even = {
    .name = "even",
    .deal = deal_evenly,
};

/* One after the other, as many as asked for; the rest is left out. */
const partition_rule partition_sizes = {
    .name = "sizes",
    .deal = deal_sizes,
};
