/* Who trains on which images. */
#include "base/memory.h"
#include "data/holdout.h"
#include "data/partition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { MOST = 60, MOST_WORKERS = 7 };

typedef struct dealt {
    uint32_t owner[MOST];
    uint64_t counts[MOST_WORKERS];
} dealt;

static bool deal(const partition_rule *rule, const partition_task *task, dealt *out, error *err)
{
    memset(out, 99, sizeof *out);
    return partition(rule, task, NULL, out->owner, out->counts, err);
}

/* The shards of workers 0, 1, ... one behind the other, then what nobody has. */
static void assert_contiguous(const dealt *is, const partition_task *task, const uint64_t *sizes)
{
    size_t i = 0;
    for (uint32_t k = 0; k < task->n_workers; k++) {
        assert_int_equal(is->counts[k], sizes[k]);
        for (size_t end = i + (size_t)sizes[k]; i < end; i++)
            assert_int_equal(is->owner[i], k);
    }
    for (; i < task->n; i++)
        assert_int_equal(is->owner[i], PARTITION_NOBODY);
}

static void even_shards_differ_by_one_image(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= MOST_WORKERS; workers++)
        for (size_t n = workers; n <= MOST; n++) {
            error err = {0};
            dealt is;
            uint64_t sizes[MOST_WORKERS];
            partition_task task = {.n = n, .n_workers = workers};
            for (uint32_t k = 0; k < workers; k++)
                sizes[k] = n / workers + (k < n % workers);
            assert_true(deal(partition_find("even"), &task, &is, &err));
            assert_contiguous(&is, &task, sizes);
        }
}

static void shards_of_given_sizes_leave_the_rest_out(void **state)
{
    (void)state;
    static const uint64_t sizes[][3] = {{1, 1, 1}, {20, 3, 5}, {58, 1, 1}, {20, 20, 20}};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        error err = {0};
        dealt is;
        partition_task task = {.n = MOST, .n_workers = 3, .sizes = sizes[i]};
        assert_true(deal(partition_find("sizes"), &task, &is, &err));
        assert_contiguous(&is, &task, sizes[i]);
    }
}

static void assert_refused(const partition_rule *rule, partition_task task, const char *what)
{
    error err = {0};
    dealt is;
    assert_false(deal(rule, &task, &is, &err));
    assert_int_equal(err.kind, ERROR_USER);
    if (!strstr(err.text, what))
        fail_msg("'%s' does not say '%s'", err.text, what);
}

static bool deal_to_the_first(const partition_task *task, uint32_t *owner, error *err)
{
    (void)err;
    owner[task->n - 1] = 0;
    return true;
}

static void partitions_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const partition_rule selfish = {.name = "selfish", .deal = deal_to_the_first};
    assert_refused(partition_find("even"), (partition_task){.n = 2, .n_workers = 3},
                   "3 workers for 2 training images");
    assert_refused(partition_find("sizes"),
                   (partition_task){.n = 9, .n_workers = 2, .sizes = (uint64_t[]){5, 5}},
                   "10 images together, but there are 9");
    assert_refused(&selfish, (partition_task){.n = 9, .n_workers = 2},
                   "partition selfish: worker 2 of 2 is left without images");
    assert_null(partition_find("nonsense"));
}

static bool deal_by_label(const partition_task *task, uint32_t *owner, error *err)
{
    (void)err;
    assert_int_equal(task->n_classes, 10);
    for (size_t i = 0; i < task->n; i++)
        owner[i] = task->labels[i] % task->n_workers;
    return true;
}

/* Read in a pass of their own: the same as with the images. */
static void rules_get_the_labels_they_need(void **state)
{
    (void)state;
    error err = {0};
    const partition_rule by_label = {.name = "label", .needs_labels = true, .deal = deal_by_label};
    const partition_task task = {.n = MOST, .n_workers = 3};
    dealt is;
    dataset set;
    source *from = source_open("synthetic:70", 4, &err);
    assert_true(from && dataset_init(&set, source_shape(from), MOST, &err));
    assert_true(source_read(from, SPLIT_TRAIN, 0, MOST, set.images, set.labels, &err));
    assert_true(partition(&by_label, &task, from, is.owner, is.counts, &err));
    uint64_t counts[3] = {0};
    for (size_t i = 0; i < MOST; i++) {
        assert_int_equal(is.owner[i], set.labels[i] % 3);
        counts[is.owner[i]]++;
    }
    assert_memory_equal(is.counts, counts, sizeof counts);
    dataset_release(&set);
    source_free(from);
}

/* In whatever order they are dealt, of whatever is there: the rule sees places, the owners are those of images. */
static void images_are_dealt_as_they_are_listed(void **state)
{
    (void)state;
    error err = {0};
    const partition_rule by_label = {.name = "label", .needs_labels = true, .deal = deal_by_label};
    const uint32_t images[] = {9, 2, 7, 4, 0};
    const uint32_t wanted[12] = {[9] = 1, [2] = 1, [7] = 1, [4] = 2, [0] = 2};
    partition_task task = {.n = COUNT(images), .images = images, .n_all = 12, .n_workers = 2};
    dealt is;
    dataset set;
    assert_true(deal(partition_find("even"), &task, &is, &err));
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(is.owner[i], wanted[i] == 0 ? PARTITION_NOBODY : wanted[i] - 1);
    assert_int_equal(is.owner[12], 0x63636363); /* not touched */
    source *from = source_open("synthetic:70", 4, &err);
    assert_true(from && dataset_init(&set, source_shape(from), 12, &err));
    assert_true(source_read(from, SPLIT_TRAIN, 0, 12, set.images, set.labels, &err));
    assert_true(partition(&by_label, &task, from, is.owner, is.counts, &err));
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(is.owner[i], wanted[i] == 0 ? PARTITION_NOBODY : set.labels[i] % 2U);
    dataset_release(&set);
    source_free(from);
}

/* A share of each owner's images, at least one, and not all; what one has does not depend on the others. */
static void each_owner_sets_a_share_aside(void **state)
{
    (void)state;
    enum { ALL = 20 };
    uint32_t owner[ALL], tester[ALL], alone[ALL] = {0};
    uint64_t counts[3] = {12, 5, 2}, tests[3];
    error err = {0};
    for (uint32_t i = 0; i < ALL; i++) {
        owner[i] = i < 12 ? 0 : i < 17 ? 1 : i < 19 ? 2 : PARTITION_NOBODY;
        alone[i] = i < 12 ? 0 : PARTITION_NOBODY;
    }
    const holdout_owners of = {owner, tester, ALL, counts, tests, 3};
    assert_true(holdout_of_each(&of, 0.3, 8, &err));
    assert_true(tests[0] == 4 && tests[1] == 2 && tests[2] == 1); /* 3.6, 1.5, 0.6 */
    assert_true(counts[0] == 8 && counts[1] == 3 && counts[2] == 1);
    uint64_t held[3] = {0};
    for (uint32_t i = 0; i < ALL; i++) {
        const uint32_t was = i < 12 ? 0 : i < 17 ? 1 : i < 19 ? 2 : PARTITION_NOBODY;
        assert_true((owner[i] == was && tester[i] == PARTITION_NOBODY) ||
                    (owner[i] == PARTITION_NOBODY && tester[i] == was));
        if (tester[i] != PARTITION_NOBODY)
            held[tester[i]]++;
    }
    assert_memory_equal(held, tests, sizeof held);
    uint32_t again[ALL];
    uint64_t its = 12, its_tests;
    assert_true(
        holdout_of_each(&(holdout_owners){alone, again, ALL, &its, &its_tests, 1}, 0.3, 8, &err));
    assert_memory_equal(again, tester, 12 * sizeof *again);
    its = 1; /* one image is too few */
    for (uint32_t i = 0; i < ALL; i++)
        alone[i] = i == 3 ? 0 : PARTITION_NOBODY;
    assert_false(
        holdout_of_each(&(holdout_owners){alone, again, ALL, &its, &its_tests, 1}, 0.3, 8, &err));
    assert_int_equal(err.kind, ERROR_USER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_shards_differ_by_one_image),
        cmocka_unit_test(shards_of_given_sizes_leave_the_rest_out),
        cmocka_unit_test(partitions_that_cannot_be_are_refused),
        cmocka_unit_test(rules_get_the_labels_they_need),
        cmocka_unit_test(images_are_dealt_as_they_are_listed),
        cmocka_unit_test(each_owner_sets_a_share_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
