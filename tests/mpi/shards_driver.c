/*
 * shards_driver - training images from a data set to the workers that own them, under mpirun: tests/system/test_shards.py
 *
 * shards_driver RULE N [BAD] deals N images out by a rule; image BAD cannot be read.  Prints "passed" on rank 0, or
 * ends the job with a line about what went wrong.
 */
#include "base/memory.h"
#include "base/random.h"
#include "check.h"
#include "data/holdout.h"
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
    return NULL;
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

/* Of which everybody gets all, but for some here and there, and the last ones. */
static bool deal_to_all(const partition_task *task, uint32_t *owner, error *err)
{
    (void)err;
    uint32_t n = 0;
    for (size_t i = 0; i + 20 < task->n; i++)
        if (i % 13 != 0)
            owner[i] = n++ % task->n_workers;
    return true;
}

static const partition_rule by_label = {
    .name = "label", .needs_labels = true, .deal = deal_by_label};
static const partition_rule by_chance = {.name = "chance", .deal = deal_by_chance};
static const partition_rule to_all = {.name = "all", .deal = deal_to_all};

static const partition_rule *find(const char *name)
{
    const partition_rule *own[] = {&by_label, &by_chance, &to_all};
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

/* What a client should have, from the owners, or testers, that all know here. */
static void check_images(const client *who, const dataset *mine, size_t n_there,
                         const uint32_t *owner, bool all)
{
    size_t n = 0, bytes = image_bytes(shape);
    for (size_t i = 0; i < n_images; i++) {
        if (all ? owner[i] == PARTITION_NOBODY : owner[i] != (uint32_t)who->number)
            continue;
        CHECK(n < mine->n && mine->numbers[n] == i && mine->labels[n] == label_of(i));
        for (size_t k = 0; k < bytes; k++)
            CHECK(mine->images[n * bytes + k] == byte_of(i, k));
        n++;
    }
    CHECK(n == mine->n && n == n_there);
}

/* Of all images that somebody gets, in their order. */
static void check_sum(const data_checksum *sum, const uint32_t *owner, const uint32_t *tester)
{
    data_checksum want = {0};
    uint8_t image[2 * 3 * 5];
    for (size_t i = 0; i < n_images; i++) {
        const uint16_t label = label_of(i);
        for (size_t k = 0; k < sizeof image; k++)
            image[k] = byte_of(i, k);
        if (owner[i] != PARTITION_NOBODY || tester[i] != PARTITION_NOBODY)
            data_checksum_add(&want, shape, image, &label, 1);
    }
    CHECK(sum->n == want.n && sum->labels == want.labels && sum->images == want.images);
}

/* Does this worker get an image of the piece (of 1,024) that cannot be read, or behind it? */
static bool waits_in_vain(const course *on, const uint32_t *owner, const uint32_t *tester)
{
    for (size_t i = bad_image / 1024 * 1024; i < n_images; i++) {
        const uint32_t who = owner[i] != PARTITION_NOBODY ? owner[i] : tester[i];
        if (who != PARTITION_NOBODY && (on->shares || on->worker[who] == transport_worker()))
            return true;
    }
    return false;
}

/* Of each client as many as it has images. */
static void check_labels(const int64_t *labels, const course *on)
{
    for (int k = 0; k < on->n_clients; k++) {
        int64_t sum = 0;
        for (int c = 0; c < shape.n_classes; c++)
            sum += labels[k * shape.n_classes + c];
        CHECK(sum == (int64_t)(on->shares ? on->n_train : on->images[k]));
    }
}

static dataset part(const dataset *of, size_t first, size_t n)
{
    return (dataset){shape, n, of->images + first * image_bytes(shape), of->labels + first,
                     of->numbers + first};
}

/* Room for this worker's clients, as worker_init makes it. */
static void make_room(worker *to, const course *on)
{
    error err = {0};
    const course_load *mine = &on->load[transport_worker()];
    size_t first = 0, first_test = 0;
    CHECK(dataset_init(&to->tests, shape, (size_t)mine->tests, &err));
    const uint64_t held = course_held(on, transport_worker());
    CHECK(dataset_init(&to->images, shape, (size_t)held, &err));
    to->clients = take((size_t)mine->n_clients, sizeof *to->clients);
    to->parcel = take(SHARDS_PIECE, image_bytes(shape));
    for (int k = 0; k < on->n_clients; k++) {
        if (on->worker[k] != transport_worker())
            continue;
        client *who = &to->clients[to->n_clients++];
        who->number = k;
        who->shard = part(&to->images, first, (size_t)(on->shares ? held : on->images[k]));
        who->tests = part(&to->tests, first_test, (size_t)on->tests[k]);
        first += who->shard.n;
        first_test += who->tests.n;
    }
    CHECK(to->n_clients == mine->n_clients && first == to->images.n);
}

static void deliver(source *from, const uint32_t *owner, const uint32_t *tester, const course *on)
{
    error err = {0};
    data_checksum sum = {0};
    worker mine = {0};
    const bool server = transport_is_server(), trains = transport_is_worker();
    int64_t *labels = take((size_t)on->n_clients * (size_t)shape.n_classes, sizeof *labels);
    if (trains)
        make_room(&mine, on);
    const shards_plan plan = {.from = server ? from : NULL,
                              .owner = server ? owner : NULL,
                              .tester = server ? tester : NULL,
                              .n = server ? n_images : 0,
                              .on = on,
                              .labels = labels,
                              .sum = &sum};
    shards_deliver(&plan, trains ? &mine : NULL, &err);
    CHECK((err.kind != ERROR_NONE) ==
          (bad_image < n_images && (server || waits_in_vain(on, owner, tester))));
    if (transport_agree(&err)) {
        for (int k = 0; k < mine.n_clients; k++) {
            const client *who = &mine.clients[k];
            check_images(who, &who->shard, who->n_there, owner, on->shares);
            check_images(who, &who->tests, who->n_tests_there, tester, false);
        }
        if (server) {
            check_sum(&sum, owner, tester);
            check_labels(labels, on);
        }
    } else { /* everybody has the server's error */
        CHECK(err.kind == ERROR_USER && strstr(err.text, "is bad"));
    }
    memory_free(labels);
    memory_free(mine.clients);
    dataset_release(&mine.images);
    dataset_release(&mine.tests);
}

/* Each worker is a client, or has two or three. */
static int count_clients(const char *rule)
{
    const bool several = strcmp(rule, "label") == 0 || strcmp(rule, "chance") == 0;
    return several ? 2 * transport_workers() + 1 : transport_workers();
}

int main(int argc, char **argv)
{
    error err = {0};
    transport_start(&argc, &argv);
    CHECK(argc == 3 || argc == 4);
    n_images = (size_t)atol(argv[2]);
    bad_image = argc == 4 ? (size_t)atol(argv[3]) : SIZE_MAX;
    const uint32_t n = (uint32_t)count_clients(argv[1]);
    const train_options options = {
        .batch = 8, .rounds = 1, .local_epochs = 1, .participation = 1.0, .min_workers = 1};
    course on;
    CHECK(course_init(&on, (int)n, transport_workers(), &err));
    uint32_t *owner = take(n_images, sizeof *owner);
    uint64_t *sizes = take(n, sizeof *sizes);
    for (uint32_t k = 0; k < n; k++)
        sizes[k] = n_images / n / (k + 2) + 1;
    partition_task task = {.n = n_images, .n_workers = n, .seed = 5, .sizes = sizes};
    source *from = source_open_as(&known, argv[2], 0, &err);
    CHECK(from && partition(find(argv[1]), &task, from, owner, on.images, &err));
    uint32_t *tester =
        take(n_images, sizeof *tester); /* of several clients: a third of each one's */
    const holdout_owners of = {owner, tester, n_images, on.images, on.tests, n};
    if (n > (uint32_t)transport_workers())
        CHECK(holdout_of_each(&of, 0.33, 9, &err));
    else
        memset(tester, 0xff, n_images * sizeof *tester);
    on.shares = strcmp(argv[1], "all") == 0;
    course_cut(&on, &options, 0);
    deliver(from, owner, tester, &on);
    source_free(from);
    course_release(&on);
    memory_free(owner);
    memory_free(tester);
    memory_free(sizes);
    if (transport_is_server())
        puts("passed");
    transport_stop();
    return 0;
}
