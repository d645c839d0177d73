/* Shards that differ in what is on their images. */
#include "base/memory.h"
#include "base/random.h"
#include "data/partition.h"

#include <math.h>

enum { DRAW_CLASSES, DRAW_PIECES, DRAW_SHARES }; /* majors; DRAW_SHARES + try */

/* The images class by class, each class as they are dealt; class c begins at begin[c]. */
typedef struct by_class {
    uint32_t *order;
    size_t *begin; /* n_classes + 1 */
} by_class;

static void by_class_release(by_class *self)
{
    memory_free(self->order);
    memory_free(self->begin);
}

static bool by_class_init(by_class *self, const partition_task *task, error *err)
{
    size_t n_classes = (size_t)task->n_classes;
    self->order = memory_new(task->n, sizeof *self->order, err);
    self->begin = memory_new(n_classes + 2, sizeof *self->begin, err);
    if (!self->order || !self->begin) {
        by_class_release(self);
        return false;
    }
    size_t *next = self->begin + 1; /* ends as begin, one place further */
    for (size_t i = 0; i < task->n; i++)
        self->begin[task->labels[i] + 2]++;
    for (size_t c = 2; c < n_classes + 2; c++)
        self->begin[c] += self->begin[c - 1];
    for (size_t i = 0; i < task->n; i++)
        self->order[next[task->labels[i]]++] = (uint32_t)i;
    return true;
}

/* ---- dirichlet: of each class the workers get shares that are drawn ------------------------------- */

enum { SMALLEST_SHARD = 10, TRIES = 11 };

typedef struct draws {
    uint64_t seed, stream, index;
} draws;

/* In (0, 1). */
static double draw(draws *from)
{
    uint64_t bits = random_u64(from->seed, from->stream, from->index++);
    return ((double)(bits >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller, "A note on the generation of random normal deviates", 1958. */
static double draw_normal(draws *from)
{
    double radius = sqrt(-2 * log(draw(from)));
    return radius * cos(2 * M_PI * draw(from));
}

/*
 * The logarithm of a number with gamma distribution of shape a: for a small a the number itself may be 0.
 * Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
 */
static double draw_log_gamma(draws *from, double a)
{
    double d = a + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = draw_normal(from), v = pow(1 + c * x, 3);
        if (1 + c * x > 0 && log(draw(from)) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d * v) + log(draw(from)) / a; /* of shape a + 1; now of a */
    }
}

/* Shares of n workers, which sum up to 1. */
static void draw_shares(draws *from, double alpha, double *shares, size_t n)
{
    double most = -INFINITY, sum = 0;
    for (size_t k = 0; k < n; k++) {
        shares[k] = draw_log_gamma(from, alpha);
        most = fmax(most, shares[k]);
    }
    for (size_t k = 0; k < n; k++)
        sum += shares[k] = exp(shares[k] - most);
    for (size_t k = 0; k < n; k++)
        shares[k] /= sum;
}

static void give_class(const partition_task *task, const uint32_t *images, size_t n,
                       const double *shares, uint32_t *owner)
{
    double until = 0;
    size_t at = 0;
    for (uint32_t k = 0; k < task->n_workers; k++) {
        until += shares[k];
        size_t end = k + 1 < task->n_workers ? (size_t)floor(until * (double)n) : n;
        for (end = end < n ? end : n; at < end; at++)
            owner[images[at]] = k;
    }
}

/* Are all shards large enough? */
static bool large_enough(const partition_task *task, const uint32_t *owner, uint64_t *counts)
{
    bool all = true;
    for (uint32_t k = 0; k < task->n_workers; k++)
        counts[k] = 0;
    for (size_t i = 0; i < task->n; i++)
        counts[owner[i]]++;
    for (uint32_t k = 0; k < task->n_workers; k++)
        all = all && counts[k] >= SMALLEST_SHARD;
    return all;
}

static bool deal_dirichlet(const partition_task *task, uint32_t *owner, error *err)
{
    by_class images = {0};
    double *shares = memory_new(task->n_workers, sizeof *shares, err);
    uint64_t *counts = memory_new(task->n_workers, sizeof *counts, err);
    bool good = shares && counts && by_class_init(&images, task, err), done = false;
    for (uint32_t try = 0; good && !done && try < TRIES; try++) {
        for (int c = 0; c < task->n_classes; c++) {
            draws from = {task->seed,
                          random_stream(RANDOM_PARTITION, DRAW_SHARES + try, (uint32_t)c), 0};
            size_t begin = images.begin[c];
            draw_shares(&from, task->parameter, shares, task->n_workers);
            give_class(task, images.order + begin, images.begin[c + 1] - begin, shares, owner);
        }
        done = large_enough(task, owner, counts);
    }
    if (good && !done)
        error_user(err,
                   "a worker is left with fewer than %d images, in %d draws: a larger number than "
                   "%g, fewer workers or another seed is needed",
                   SMALLEST_SHARD, TRIES, task->parameter);
    by_class_release(&images);
    memory_free(counts);
    memory_free(shares);
    return done;
}

/* ---- classes: each worker has images of so many classes ------------------------------------------- */

static bool has_class(const uint32_t *list, size_t n, uint32_t class)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == class)
            return true;
    return false;
}

/* Worker k's classes: k itself, counted round, so that none is left out, and others drawn. */
static void choose_classes(const partition_task *task, uint32_t k, uint32_t *list)
{
    size_t wanted = (size_t)task->parameter, n = 0;
    uint32_t n_classes = (uint32_t)task->n_classes;
    uint64_t stream = random_stream(RANDOM_PARTITION, DRAW_CLASSES, k);
    list[n++] = k % n_classes;
    for (uint64_t i = 0; n < wanted; i++) {
        uint32_t class = (uint32_t)random_below(task->seed, stream, i, n_classes);
        if (!has_class(list, n, class))
            list[n++] = class;
    }
}

/* The images of a class, to those that have it, as many for each but for one. */
static void share_class(const partition_task *task, const uint32_t *lists, uint32_t class,
                        const by_class *images, uint32_t *owner)
{
    size_t each = (size_t)task->parameter, n_owners = 0, at = images->begin[class],
           n = images->begin[class + 1] - at, given = 0;
    for (uint32_t k = 0; k < task->n_workers; k++)
        n_owners += has_class(lists + k * each, each, class);
    for (uint32_t k = 0; k < task->n_workers; k++) {
        if (!has_class(lists + k * each, each, class))
            continue;
        for (size_t i = n / n_owners + (given < n % n_owners); i > 0; i--)
            owner[images->order[at++]] = k;
        given++;
    }
}

static bool deal_classes(const partition_task *task, uint32_t *owner, error *err)
{
    by_class images = {0};
    size_t each = (size_t)task->parameter;
    if (each > (size_t)task->n_classes)
        return error_user(err, "%zu classes for each worker, but there are %d", each,
                          task->n_classes);
    uint32_t *lists = memory_new(task->n_workers * each, sizeof *lists, err);
    bool good = lists && by_class_init(&images, task, err);
    for (uint32_t k = 0; good && k < task->n_workers; k++)
        choose_classes(task, k, lists + k * each);
    for (uint32_t c = 0; good && c < (uint32_t)task->n_classes; c++)
        share_class(task, lists, c, &images, owner);
    by_class_release(&images);
    memory_free(lists);
    return good;
}

/* ---- sorted: by class, cut into pieces, so many for each worker ----------------------------------- */

static bool deal_sorted(const partition_task *task, uint32_t *owner, error *err)
{
    by_class images = {0};
    size_t each = (size_t)task->parameter, n_pieces = task->n_workers * each;
    if (n_pieces > task->n)
        return error_user(err, "%zu pieces for %u workers, of %zu images", n_pieces,
                          task->n_workers, task->n);
    uint32_t *pieces = memory_new(n_pieces, sizeof *pieces, err);
    bool good = pieces && by_class_init(&images, task, err);
    if (good)
        random_shuffle(task->seed, random_stream(RANDOM_PARTITION, DRAW_PIECES, 0), pieces,
                       n_pieces);
    for (size_t p = 0; good && p < n_pieces; p++)
        for (size_t i = task->n * pieces[p] / n_pieces; i < task->n * (pieces[p] + 1) / n_pieces;
             i++)
            owner[images.order[i]] = (uint32_t)(p / each);
    by_class_release(&images);
    memory_free(pieces);
    return good;
}

/* ---- the rules ------------------------------------------------------------------------------------ */

/* Yurochkin et al., arXiv:1905.12022; small shards and tries as in Flower's DirichletPartitioner. */
const partition_rule partition_dirichlet = {
    .name = "dirichlet",
    .needs_labels = true,
    .low = 0.001,
    .high = 1e6,
    .deal = deal_dirichlet,
};

/* Li et al., "Federated learning on non-IID data silos: an experimental study", arXiv:2102.02079. */
const partition_rule partition_classes = {
    .name = "classes",
    .needs_labels = true,
    .low = 1,
    .high = 65536,
    .whole = true,
    .deal = deal_classes,
};

/* McMahan et al., arXiv:1602.05629, section 3. */
const partition_rule partition_sorted = {
    .name = "sorted",
    .needs_labels = true,
    .low = 1,
    .high = 65536,
    .whole = true,
    .deal = deal_sorted,
};
