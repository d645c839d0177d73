/*
 * shards_driver - training images from a data set to the workers that own them, under mpirun: tests/system/test_shards.py
 *
 * shards_driver RULE N [BAD] deals N images out by a rule; image BAD cannot be read.  Prints "passed" on rank 0, or
 * ends the job with a line about what went wrong.
 */
#include "base/memory.h"
#include "base/random.h"
#include "check.h"
#include "data/partition.h"
#include "train/shards.h"
#include "transport/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a data set that is known everywhere: more classes than a byte can tell apart ------------------- */

static const image_shape shape = {2, 3, 5, 1000};
static size_t n_images, bad_image = SIZE_MAX;

static uint16_t label_of(size_t i)
{
    return (uint16_t)(i * 577 % 1000);
}

static uint8_t byte_of(size_t i, size_t k)
{
    return (uint8_t)random_u64(1, random_stream(RANDOM_TEST, 0, (uint32_t)i), k);
}

static void *open_known(const char *spec, uint64_t seed, image_shape *of, size_t count[2],
                        error *err)
{
    (void)seed;
    *of = shape;
    count[SPLIT_TRAIN] = (size_t)atol(spec);
    count[SPLIT_TEST] = 1;
    return memory_new(1, 1, err);
}

static bool read_known(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                       uint16_t *labels, error *err)
{
    (void)state;
    (void)split;
    size_t bytes = image_bytes(shape);
    for (size_t i = 0; i < n; i++) {
        if (images && first + i == bad_image)
            return error_user(err, "image %zu is bad", first + i);
        labels[i] = label_of(first + i);
        for (size_t k = 0; images && k < bytes; k++)
            images[i * bytes + k] = byte_of(first + i, k);
    }
    return true;
}

static const char *no_name(const void *state, int c)
{
    (void)state;
    (void)c;
    return "x";
}

static const source_kind known = {.name = "known",
                                  .open = open_known,
                                  .read = read_known,
                                  .class_name = no_name,
                                  .close = memory_free};

/* ---- rules: by label, by chance, and those of the program ------------------------------------------- */

static bool deal_by_label(const partition_task *task, uint32_t *owner, error *err)
{
    (void)err;
    CHECK(task->n_classes == shape.n_classes);
    for (size_t i = 0; i < task->n; i++)
        if (task->labels[i] % 11 != 0) /* some are left out, here and there */
            owner[i] = task->labels[i] * task->n_workers / (uint32_t)task->n_classes;
    return true;
}

static bool deal_by_chance(const partition_task *task, uint32_t *owner, error *err)
{
    (void)err;
    uint64_t stream = random_stream(RANDOM_TEST, 1, 0);
    for (size_t i = 0; i < task->n; i++)
        owner[i] = (uint32_t)random_below(task->seed, stream, i, task->n_workers);
    return true;
}

static const partition_rule by_label = {
    .name = "label", .needs_labels = true, .deal = deal_by_label};
static const partition_rule by_chance = {.name = "chance", .deal = deal_by_chance};

static const partition_rule *find(const char *name)
{
    const partition_rule *own[] = {&by_label, &by_chance};
    for (size_t k = 0; k < sizeof own / sizeof *own; k++)
        if (strcmp(own[k]->name, name) == 0)
            return own[k];
    return partition_find(name);
}

/* ---- the way ----------------------------------------------------------------------------------------- */

static void *take(size_t count, size_t size)
{
    error err = {0};
    void *memory = memory_new(count, size, &err);
    if (!memory)
        transport_abort(&err);
    return memory;
}

/* What this worker should have, from the owners that all know here. */
static void check_shard(const dataset *mine, const uint32_t *owner)
{
    size_t n = 0, bytes = image_bytes(shape);
    for (size_t i = 0; i < n_images; i++) {
        if (owner[i] != (uint32_t)transport_worker())
            continue;
        CHECK(n < mine->n && mine->numbers[n] == i && mine->labels[n] == label_of(i));
        for (size_t k = 0; k < bytes; k++)
            CHECK(mine->images[n * bytes + k] == byte_of(i, k));
        n++;
    }
    CHECK(n == mine->n);
}

/* Of all images with an owner, in their order. */
static void check_sum(const data_checksum *sum, const uint32_t *owner)
{
    data_checksum want = {0};
    uint8_t image[2 * 3 * 5];
    for (size_t i = 0; i < n_images; i++) {
        const uint16_t label = label_of(i);
        for (size_t k = 0; k < sizeof image; k++)
            image[k] = byte_of(i, k);
        if (owner[i] != PARTITION_NOBODY)
            data_checksum_add(&want, shape, image, &label, 1);
    }
    CHECK(sum->n == want.n && sum->labels == want.labels && sum->images == want.images);
}

/* Does this worker own an image of the piece (of 1,024) that cannot be read, or behind it? */
static bool waits_in_vain(const uint32_t *owner)
{
    for (size_t i = bad_image / 1024 * 1024; i < n_images; i++)
        if (owner[i] == (uint32_t)transport_worker())
            return true;
    return false;
}

/* Of each worker as many as it has images. */
static void check_labels(const int64_t *labels, const uint64_t *counts)
{
    const int first = transport_size() > 1;
    for (int k = 0; k < transport_workers(); k++) {
        int64_t sum = 0;
        for (int c = 0; c < shape.n_classes; c++)
            sum += labels[(k + first) * shape.n_classes + c];
        CHECK(sum == (int64_t)counts[k]);
    }
}

static void deliver(source *from, const uint32_t *owner, const uint64_t *counts)
{
    error err = {0};
    data_checksum sum = {0};
    dataset mine = {0};
    bool server = transport_is_server(), worker = transport_is_worker();
    int64_t *labels =
        memory_new((size_t)transport_size() * (size_t)shape.n_classes, sizeof *labels, &err);
    CHECK(labels);
    if (worker)
        CHECK(dataset_init(&mine, shape, (size_t)counts[transport_worker()], &err));
    shards_deliver(server ? from : NULL, server ? owner : NULL, server ? n_images : 0,
                   worker ? &mine : NULL, labels, &sum, &err);
    CHECK((err.kind != ERROR_NONE) == (bad_image < n_images && (server || waits_in_vain(owner))));
    if (transport_agree(&err)) {
        if (worker)
            check_shard(&mine, owner);
        if (server) {
            check_sum(&sum, owner);
            check_labels(labels, counts);
        }
    } else { /* everybody has the server's error */
        CHECK(err.kind == ERROR_USER && strstr(err.text, "is bad"));
    }
    memory_free(labels);
    dataset_release(&mine);
}

int main(int argc, char **argv)
{
    error err = {0};
    transport_start(&argc, &argv);
    CHECK(argc == 3 || argc == 4);
    n_images = (size_t)atol(argv[2]);
    bad_image = argc == 4 ? (size_t)atol(argv[3]) : SIZE_MAX;
    uint32_t n_workers = (uint32_t)transport_workers();
    uint32_t *owner = take(n_images, sizeof *owner);
    uint64_t *counts = take(n_workers, sizeof *counts), *sizes = take(n_workers, sizeof *sizes);
    for (uint32_t k = 0; k < n_workers; k++)
        sizes[k] = n_images / n_workers / (k + 2) + 1;
    partition_task task = {.n = n_images, .n_workers = n_workers, .seed = 5, .sizes = sizes};
    source *from = source_open_as(&known, argv[2], 0, &err);
    CHECK(from && partition(find(argv[1]), &task, from, owner, counts, &err));
    deliver(from, owner, counts);
    source_free(from);
    memory_free(owner);
    memory_free(counts);
    memory_free(sizes);
    if (transport_is_server())
        puts("passed");
    transport_stop();
    return 0;
}
