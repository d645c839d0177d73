#include "data/holdout.h"

#include "base/memory.h"
#include "base/random.h"
#include "data/partition.h"

#include <math.h>

/* Every image in the order of chance: where its class still lacks one, it is held out. */
static void choose(const uint16_t *labels, size_t n_all, uint64_t seed, size_t *wanted,
                   uint32_t *order, bool *is_held)
{
    uint64_t stream = random_stream(RANDOM_HOLDOUT, 0, 0);
    random_shuffle(seed, stream, order, n_all);
    for (size_t i = 0; i < n_all; i++) {
        size_t *of_class = &wanted[labels[order[i]]];
        is_held[order[i]] = *of_class > 0;
        *of_class -= *of_class > 0;
    }
}

static bool find_lack(source *from, const size_t *wanted, size_t n, error *err)
{
    int n_classes = source_shape(from).n_classes;
    for (int c = 0; c < n_classes; c++)
        if (wanted[c] > 0)
            return error_user(
                err, "class %d, %s, lacks %zu images for %zu held out evenly over %d classes", c,
                source_class_name(from, c), wanted[c], n, n_classes);
    return true;
}

bool holdout_choose(source *from, size_t n_all, uint64_t seed, uint32_t *held, size_t n, error *err)
{
    size_t n_classes = (size_t)source_shape(from).n_classes, n_held = 0;
    uint16_t *labels = memory_new(n_all, sizeof *labels, err);
    uint32_t *order = memory_new(n_all, sizeof *order, err);
    bool *is_held = memory_new(n_all, sizeof *is_held, err);
    size_t *wanted = memory_new(n_classes, sizeof *wanted, err);
    bool good = labels && order && is_held && wanted &&
                source_read(from, SPLIT_TRAIN, 0, n_all, NULL, labels, err);
    for (size_t c = 0; good && c < n_classes; c++)
        wanted[c] = n / n_classes + (c < n % n_classes);
    if (good) {
        choose(labels, n_all, seed, wanted, order, is_held);
        good = find_lack(from, wanted, n, err);
    }
    for (size_t i = 0; good && i < n_all; i++)
        if (is_held[i])
            held[n_held++] = (uint32_t)i;
    memory_free(labels);
    memory_free(order);
    memory_free(is_held);
    memory_free(wanted);
    return good;
}

/* ---- of each owner -------------------------------------------------------------------------------- */

/* Images by their owners, each one's as they stand in the set. */
static void list_images(const holdout_owners *of, size_t *next, uint32_t *images)
{
    size_t first = 0;
    for (size_t k = 0; k < of->n_owners; k++) {
        next[k] = first;
        first += of->counts[k];
    }
    for (size_t i = 0; i < of->n_all; i++)
        if (of->owner[i] != PARTITION_NOBODY)
            images[next[of->owner[i]]++] = (uint32_t)i;
}

static bool hold_out(const holdout_owners *of, uint32_t owner, uint64_t n, const uint32_t *chosen,
                     const uint32_t *images, error *err)
{
    if (of->counts[owner] < 2)
        return error_user(err,
                          "client %u has a single image, and one of those it tests with "
                          "cannot be trained on",
                          owner + 1);
    for (uint64_t i = 0; i < n; i++) {
        of->owner[images[chosen[i]]] = PARTITION_NOBODY;
        of->tester[images[chosen[i]]] = owner;
    }
    of->tests[owner] = n;
    of->counts[owner] -= n;
    return true;
}

bool holdout_of_each(const holdout_owners *of, double share, uint64_t seed, error *err)
{
    uint32_t *images = memory_new(of->n_all, sizeof *images, err);
    uint32_t *order = memory_new(of->n_all, sizeof *order, err);
    size_t *next = memory_new(of->n_owners, sizeof *next, err), first = 0;
    bool good = images && order && next;
    if (good)
        list_images(of, next, images);
    for (size_t i = 0; good && i < of->n_all; i++)
        of->tester[i] = PARTITION_NOBODY;
    for (uint32_t k = 0; good && k < of->n_owners; k++) {
        const size_t n = (size_t)of->counts[k];
        const uint64_t wanted = (uint64_t)floor(share * (double)n + 0.5);
        random_shuffle(seed, random_stream(RANDOM_HOLDOUT, 1, k), order, n);
        good = hold_out(of, k,
                        wanted < 1    ? 1
                        : wanted >= n ? n - 1
                                      : wanted,
                        order, images + first, err);
        first += n;
    }
    memory_free(images);
    memory_free(order);
    memory_free(next);
    return good;
}
