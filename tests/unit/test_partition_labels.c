/* Shards that differ in what is on their images: every rule on labels whose numbers are known. */
#include "base/memory.h"
#include "data/partition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORKERS = 5 };

/* images: as many of each class, one class after the other in turn */
typedef struct dealt {
    partition_task task;
    uint16_t *labels;
    uint32_t *owner;
    uint64_t *counts; /* [n_classes][n_workers + 1], the last: nobody's */
} dealt;

static dealt set_up(size_t n, int n_classes, uint64_t seed)
{
    error err = {0};
    dealt self = {.task = {.n = n, .n_workers = WORKERS, .n_classes = n_classes, .seed = seed}};
    self.labels = memory_new(n, sizeof *self.labels, &err);
    self.owner = memory_new(n, sizeof *self.owner, &err);
    self.counts = memory_new((size_t)n_classes * (WORKERS + 1), sizeof *self.counts, &err);
    assert_true(self.labels && self.owner && self.counts);
    for (size_t i = 0; i < n; i++)
        self.labels[i] = (uint16_t)(i % (size_t)n_classes);
    self.task.labels = self.labels;
    return self;
}

static bool deal(dealt *self, const char *text, error *err)
{
    const partition_rule *rule = partition_parse(text, &self->task.parameter, err);
    if (!rule)
        return false;
    for (size_t i = 0; i < self->task.n; i++)
        self->owner[i] = PARTITION_NOBODY;
    memset(self->counts, 0, (size_t)self->task.n_classes * (WORKERS + 1) * sizeof *self->counts);
    if (!rule->deal(&self->task, self->owner, err))
        return false;
    for (size_t i = 0; i < self->task.n; i++) {
        uint32_t k = self->owner[i] == PARTITION_NOBODY ? WORKERS : self->owner[i];
        assert_true(k <= WORKERS);
        self->counts[self->labels[i] * (WORKERS + 1) + k]++;
    }
    return true;
}

static void tear_down(dealt *self)
{
    memory_free(self->labels);
    memory_free(self->owner);
    memory_free(self->counts);
}

static uint64_t images_of(const dealt *self, uint32_t worker)
{
    uint64_t n = 0;
    for (int c = 0; c < self->task.n_classes; c++)
        n += self->counts[c * (WORKERS + 1) + (int)worker];
    return n;
}

static int classes_of(const dealt *self, uint32_t worker)
{
    int n = 0;
    for (int c = 0; c < self->task.n_classes; c++)
        n += self->counts[c * (WORKERS + 1) + (int)worker] > 0;
    return n;
}

/* The variance of a share of N with parameter a is (N - 1) / (N^2 (N a + 1)). */
static void shares_have_the_variance_of_dirichlets_distribution(void **state)
{
    (void)state;
    enum { CLASSES = 400, EACH = 200 };
    static const char *const texts[] = {"dirichlet:0.05", "dirichlet:0.5", "dirichlet:20"};
    dealt is = set_up((size_t)CLASSES * EACH, CLASSES, 7);
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        error err = {0};
        double square = 0, middle = 1.0 / WORKERS, n = WORKERS;
        assert_true(deal(&is, texts[t], &err));
        for (int c = 0; c < CLASSES; c++)
            for (uint32_t k = 0; k < WORKERS; k++)
                square += pow((double)is.counts[c * (WORKERS + 1) + (int)k] / EACH - middle, 2);
        double found = square / CLASSES / n,
               expected = (n - 1) / (n * n * (n * is.task.parameter + 1));
        if (fabs(found / expected - 1) > 0.15)
            fail_msg("%s: variance %g, not %g", texts[t], found, expected);
        for (uint32_t k = 0; k < WORKERS; k++)
            assert_true(images_of(&is, k) >= 10);
        assert_int_equal(images_of(&is, WORKERS), 0);
    }
    tear_down(&is);
}

static void a_partition_is_the_seeds(void **state)
{
    (void)state;
    static const char *const texts[] = {"dirichlet:0.5", "classes:2", "sorted:2"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        error err = {0};
        dealt one = set_up(600, 10, 1), same = set_up(600, 10, 1), other = set_up(600, 10, 2);
        assert_true(deal(&one, texts[t], &err) && deal(&same, texts[t], &err) &&
                    deal(&other, texts[t], &err));
        assert_memory_equal(one.owner, same.owner, 600 * sizeof *one.owner);
        assert_memory_not_equal(one.owner, other.owner, 600 * sizeof *one.owner);
        tear_down(&one);
        tear_down(&same);
        tear_down(&other);
    }
}

/* Who has a class has as much of it as others, but for one image; what nobody has is left out. */
static void workers_have_so_many_classes(void **state)
{
    (void)state;
    for (int classes = 3; classes <= 10; classes += 7)
        for (int each = 1; each <= classes; each++) {
            error err = {0};
            char text[24];
            dealt is = set_up(211, classes, 3);
            snprintf(text, sizeof text, "classes:%d", each);
            assert_true(deal(&is, text, &err));
            for (uint32_t k = 0; k < WORKERS; k++) {
                assert_int_equal(classes_of(&is, k), each);
                assert_true(is.counts[(int)k % classes * (WORKERS + 1) + (int)k] > 0);
            }
            for (int c = 0; c < classes; c++) {
                const uint64_t *of = is.counts + c * (WORKERS + 1);
                uint64_t least = UINT64_MAX, most = 0;
                for (uint32_t k = 0; k < WORKERS; k++)
                    if (of[k] > 0) {
                        least = of[k] < least ? of[k] : least;
                        most = of[k] > most ? of[k] : most;
                    }
                assert_true(most == 0 || (most - least <= 1 && of[WORKERS] == 0));
            }
            tear_down(&is);
        }
}

/* A piece has one class where pieces are as long as classes, so a worker has no more than pieces. */
static void pieces_of_sorted_images(void **state)
{
    (void)state;
    error err = {0};
    dealt is = set_up(500, 10, 5);
    assert_true(deal(&is, "sorted:2", &err));
    for (uint32_t k = 0; k < WORKERS; k++) {
        assert_int_equal(images_of(&is, k), 100);
        assert_true(classes_of(&is, k) <= 2);
    }
    tear_down(&is);
    is = set_up(507, 10, 5); /* nothing is left over where it does not come out even */
    assert_true(deal(&is, "sorted:3", &err));
    for (uint32_t k = 0; k < WORKERS; k++)
        assert_true(images_of(&is, k) >= 99 && images_of(&is, k) <= 104);
    assert_int_equal(images_of(&is, WORKERS), 0);
    tear_down(&is);
}

static void assert_refused(const char *text, size_t n, const char *what)
{
    error err = {0};
    dealt is = set_up(n, 10, 1);
    assert_false(deal(&is, text, &err));
    assert_int_equal(err.kind, ERROR_USER);
    if (!strstr(err.text, what))
        fail_msg("'%s' does not say '%s'", err.text, what);
    tear_down(&is);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_refused("dirichlet:0.5", 49, "fewer than 10 images");
    assert_refused("classes:11", 100, "11 classes for each worker, but there are 10");
    assert_refused("sorted:30", 100, "150 pieces for 5 workers, of 100 images");
    assert_refused("dirichlet", 100, "expected dirichlet:NUMBER");
    assert_refused("dirichlet:", 100, "expected dirichlet:NUMBER");
    assert_refused("dirichlet:nan", 100, "from 0.001");
    assert_refused("dirichlet:0", 100, "from 0.001");
    assert_refused("classes:1.5", 100, "a whole one");
    assert_refused("even:3", 100, "takes no number");
    assert_refused("random", 100, "even, sizes, dirichlet:NUMBER, classes:NUMBER, sorted:NUMBER");
    assert_refused("", 100, "expected one of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_have_the_variance_of_dirichlets_distribution),
        cmocka_unit_test(a_partition_is_the_seeds),
        cmocka_unit_test(workers_have_so_many_classes),
        cmocka_unit_test(pieces_of_sorted_images),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
