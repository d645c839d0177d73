#include "data/holdout.h"

#include "base/memory.h"
#include "base/random.h"

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
