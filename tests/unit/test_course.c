/* How a run is cut into rounds, segments and local steps. */
#include "base/random.h"
#include "train/course.h"
#include "train/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* As by default. */
#define EVERYBODY .participation = 1.0, .min_workers = 1

static course share(const uint64_t *images, int n_clients, int n_workers,
                    const train_options *options)
{
    course c;
    error err = {0};
    assert_true(course_init(&c, n_clients, n_workers, &err));
    for (int k = 0; k < n_clients; k++)
        c.images[k] = images[k];
    course_cut(&c, options, 2);
    return c;
}

static course cut(const uint64_t *images, int n, const train_options *options)
{
    return share(images, n, n, options);
}

static void test_epochs(void **state)
{
    (void)state;
    train_options o = {EVERYBODY, .batch = 8, .rounds = 5, .local_epochs = 2, .average_every = 3};
    course c = cut((uint64_t[]){17, 8, 1}, 3, &o);
    assert_int_equal(c.n_train, 26);
    assert_int_equal(c.rounds_before, 2);
    assert_int_equal(course_epoch(&c, 0), 3); /* the last batch is one image */
    assert_int_equal(course_epoch(&c, 2), 1);
    assert_int_equal(course_smallest(&c, 0), 1);
    assert_int_equal(course_smallest(&c, 1), 8);
    assert_int_equal(course_smallest(&c, 2), 1);
    assert_int_equal(course_steps(&c, 0), 6);
    assert_int_equal(course_steps(&c, 1), 2);
    assert_int_equal(c.segments, 2); /* of the worker with the most steps */
    assert_int_equal(c.eval_every, 1);
    assert_true(course_images(&c) == 52.0);
    course_release(&c);
}

/* A batch of all is its clients' parts, one behind the other, up to the last of an epoch, where some may have nothing. */
static void test_shared_batches(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        const int n = 1 + (int)random_below(seed, 1, 0, 7);
        const uint64_t all = (uint64_t)n + random_below(seed, 1, 1, 200);
        train_options o = {EVERYBODY, .batch = 1 + random_below(seed, 1, 2, 12), .rounds = 5,
                           .local_epochs = 1};
        uint64_t images[8], seen = 0;
        for (int k = 0; k < n; k++) /* as evenly as they are dealt */
            images[k] = all / (uint64_t)n + ((uint64_t)k < all % (uint64_t)n);
        course c = cut(images, n, &o);
        c.shares = true;
        for (uint64_t step = 0; step < course_epoch(&c, n - 1); step++) {
            const uint64_t begin = seen;
            for (int k = 0; k < n; k++) {
                course_batch b = course_batch_at(&c, k, step);
                assert_int_equal(b.begin, begin);
                assert_int_equal(b.first, seen);
                assert_true(b.n <= o.batch);
                seen += b.n;
            }
            assert_int_equal(seen - begin, course_batch_at(&c, 0, step).n_all);
            assert_true(seen == all || seen - begin == (uint64_t)n * o.batch);
        }
        assert_int_equal(seen, all);
        course_release(&c);
    }
}

static void test_own_batches(void **state)
{
    (void)state;
    train_options o = {EVERYBODY, .batch = 8, .rounds = 5, .local_epochs = 1};
    course c = cut((uint64_t[]){17, 8}, 2, &o);
    course_batch b = course_batch_at(&c, 0, 2);
    assert_int_equal(b.first, 16);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.n_all, 1);
    assert_int_equal(course_batch_at(&c, 1, 0).n, 8);
    course_release(&c);
}

static void test_steps(void **state)
{
    (void)state;
    train_options o = {EVERYBODY, .batch = 8, .rounds = 5, .local_steps = 2};
    course c = cut((uint64_t[]){60, 8}, 2, &o);
    assert_int_equal(course_steps(&c, 0), 2);
    assert_int_equal(course_steps(&c, 1), 2);
    assert_int_equal(c.segments, 1);
    assert_int_equal(c.eval_every, 4); /* eight steps are an epoch of the first */
    assert_true(course_images(&c) == 2 * 60.0 / 8 + 2 * 8.0);
    course_release(&c);
    o.eval_every = 7;
    c = cut((uint64_t[]){60, 8}, 2, &o);
    assert_int_equal(c.eval_every, 7);
    course_release(&c);
}

/* Every step is in one segment, and no two segments differ by more than one. */
static void test_segments(void **state)
{
    (void)state;
    train_options o = {EVERYBODY, .batch = 1, .rounds = 1, .local_epochs = 1, .average_every = 4};
    course c = cut((uint64_t[]){30, 11, 3}, 3, &o);
    assert_int_equal(c.segments, 8);
    for (int k = 0; k < 3; k++) {
        uint64_t steps = course_steps(&c, k);
        assert_int_equal(course_steps_before(&c, k, 0), 0);
        assert_int_equal(course_steps_before(&c, k, c.segments), steps);
        for (uint64_t s = 0; s < c.segments; s++) {
            uint64_t n = course_steps_before(&c, k, s + 1) - course_steps_before(&c, k, s);
            assert_in_range(n, steps / c.segments, steps / c.segments + 1);
        }
    }
    course_release(&c);
    /* the product of steps and segments is larger than 64 bits */
    o = (train_options){EVERYBODY, .batch = 1, .rounds = 1, .local_steps = UINT64_MAX / 2,
                        .average_every = 1};
    c = cut((uint64_t[]){1}, 1, &o);
    assert_true(course_steps_before(&c, 0, c.segments / 2 + 1) == UINT64_MAX / 4 + 1);
    course_release(&c);
}

/* Gradients: a segment is a step; as many of them as before give weights, evenly, the last among them. */
static void test_takes(void **state)
{
    (void)state;
    train_options o = {EVERYBODY,         .batch = 1,         .rounds = 1,
                       .local_epochs = 1, .average_every = 4, .sync = SYNC_GRADIENTS};
    course c = cut((uint64_t[]){11, 30, 3}, 3, &o);
    uint64_t take, next = 0, gap = 0;
    assert_int_equal(course_longest(&c), 1);
    assert_true(c.segments == 30 && c.takes == 8);
    for (uint64_t s = 0; s < c.segments; s++) {
        gap++;
        if (!course_take(&c, s, &take))
            continue;
        assert_int_equal(take, next++);
        assert_in_range(gap, 3, 4);
        gap = 0;
    }
    assert_int_equal(next, 8);
    assert_int_equal(gap, 0);
    course_release(&c);
    o.sync = SYNC_WEIGHTS;
    c = cut((uint64_t[]){30}, 1, &o);
    for (uint64_t s = 0; s < c.segments; s++)
        assert_true(course_take(&c, s, &take) && take == s);
    course_release(&c);
}

/* So many take part in each round, others each time, and all come in turn. */
static void test_participation(void **state)
{
    (void)state;
    enum { N = 7, ROUNDS = 200 };
    train_options o = {.batch = 8, .rounds = 5, .local_epochs = 1, .participation = 0.5};
    course c = cut((uint64_t[N]){8, 8, 8, 8, 8, 8, 8}, N, &o);
    int times[N] = {0};
    error err = {0};
    roster who;
    assert_true(roster_init(&who, &c, &err));
    assert_int_equal(c.participants, 3);
    assert_true(course_images(&c) == 24.0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        roster_draw(&who, round);
        assert_int_equal(who.n, 3);
        for (int i = 0; i < who.n; i++)
            times[who.places[i].client]++;
    }
    for (int k = 0; k < N; k++)
        assert_in_range(times[k], ROUNDS * 3 / N - 40, ROUNDS * 3 / N + 40);
    roster_release(&who);
    course_release(&c);
    o.min_workers = 5;
    c = cut((uint64_t[N]){8, 8, 8, 8, 8, 8, 8}, N, &o);
    assert_int_equal(c.participants, 5);
    course_release(&c);
}

/* Every client has a worker, loads are alike, and where they are as many each has its own. */
static void test_sharing(void **state)
{
    (void)state;
    train_options o = {EVERYBODY, .batch = 8, .rounds = 5, .local_epochs = 1};
    const uint64_t images[] = {90, 10, 20, 30, 40, 5, 5};
    course c = share(images, 7, 2, &o);
    const int worker[] = {0, 1, 1, 1, 1, 0, 0};
    assert_memory_equal(c.worker, worker, sizeof worker);
    assert_int_equal(c.load[0].images, 100);
    assert_int_equal(c.load[1].images, 100);
    assert_int_equal(c.load[0].n_clients, 3);
    assert_int_equal(course_most(&c), 4);
    course_release(&c);
    c = cut(images, 7, &o);
    for (int k = 0; k < 7; k++)
        assert_int_equal(c.worker[k], k);
    assert_int_equal(course_most(&c), 1);
    course_release(&c);
    o.participation = 0.3; /* two of them, who may meet on a worker */
    c = share(images, 7, 2, &o);
    assert_int_equal(course_most(&c), 2);
    course_release(&c);
}

/* On a rank alone those that take part have slots 0, 1, ... by their numbers. */
static void test_roster(void **state)
{
    (void)state;
    enum { N = 6 };
    train_options o = {.batch = 8, .rounds = 5, .local_epochs = 1, .participation = 0.5};
    course c = share((uint64_t[N]){8, 8, 8, 8, 8, 8}, N, 1, &o);
    roster who;
    error err = {0};
    assert_true(roster_init(&who, &c, &err));
    assert_int_equal(who.n_slots, 3);
    for (uint64_t round = 0; round < 20; round++) {
        int slot = 0;
        roster_draw(&who, round);
        for (int k = 0; k < N; k++) {
            if (who.slot[k] < 0)
                continue;
            assert_int_equal(who.places[slot].client, k);
            assert_int_equal(who.slot[k], slot);
            assert_int_equal(roster_at(&who, slot), slot);
            slot++;
        }
        assert_true(slot == 3 && who.n == 3 && who.taken[0] == 3);
    }
    roster_release(&who);
    course_release(&c);
}

/* Who takes part: those before whose number of chance are fewer others' than places; of equals the first comes first. */
static void test_lots(void **state)
{
    (void)state;
    enum { N = 60 };
    train_options o = {.seed = 7, .batch = 8, .rounds = 5, .local_epochs = 1, .participation = 0.4};
    uint64_t images[N], lots[N];
    roster who;
    error err = {0};
    for (int k = 0; k < N; k++)
        images[k] = 8;
    course c = share(images, N, 1, &o);
    assert_true(roster_init(&who, &c, &err));
    for (uint32_t round = 0; round < 20; round++) {
        const uint64_t stream = random_stream(RANDOM_PARTICIPATION, 0, round);
        for (int k = 0; k < N; k++)
            lots[k] = random_u64(7, stream, (uint64_t)k);
        roster_draw(&who, round);
        assert_int_equal(who.n, 24);
        for (int k = 0; k < N; k++) {
            int before = 0;
            for (int j = 0; j < N; j++)
                before += lots[j] < lots[k] || (lots[j] == lots[k] && j < k);
            assert_true((who.slot[k] >= 0) == (before < 24));
        }
    }
    roster_release(&who);
    course_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),          cmocka_unit_test(test_epochs),
        cmocka_unit_test(test_shared_batches), cmocka_unit_test(test_own_batches),
        cmocka_unit_test(test_steps),          cmocka_unit_test(test_segments),
        cmocka_unit_test(test_participation),  cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_roster),         cmocka_unit_test(test_lots),
    };
    return cmocka_run_group_tests_name("course", tests, NULL, NULL);
}
