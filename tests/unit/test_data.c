/* Synthetic images, data sets in memory, the sampler. */
#include "data/sampler.h"
#include "data/source.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* ---- synthetic images -------------------------------------------------------------------- */

static dataset read_synthetic(const char *spec, uint64_t seed, enum split split)
{
    error err = {0};
    dataset set;
    source *from = source_open(spec, seed, &err);
    assert_non_null(from);
    size_t n = source_count(from, split);
    assert_true(dataset_init(&set, source_shape(from), n, &err));
    assert_true(source_read(from, split, 0, n, set.images, set.labels, &err));
    source_free(from);
    return set;
}

static void synthetic_spec_gives_counts(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        size_t n_train, n_test;
    } cases[] = {{"synthetic:", 50000, 10000}, {"synthetic", 50000, 10000},
                 {"synthetic:1", 1, 10},       {"synthetic:59", 59, 11},
                 {"synthetic:0100", 100, 20},  {"synthetic:10000000", 10000000, 2000000}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        error err = {0};
        source *from = source_open(cases[i].spec, 0, &err);
        assert_non_null(from);
        assert_int_equal(source_count(from, SPLIT_TRAIN), cases[i].n_train);
        assert_int_equal(source_count(from, SPLIT_TEST), cases[i].n_test);
        image_shape shape = source_shape(from);
        assert_int_equal(image_bytes(shape), 3072);
        assert_int_equal(shape.n_classes, 10);
        assert_string_equal(source_class_name(from, 0), "disc");
        assert_non_null(source_class_name(from, 9));
        assert_null(source_class_name(from, 10));
        assert_null(source_class_name(from, -1));
        source_free(from);
    }
    source_free(NULL);
}

static void synthetic_refuses_a_bad_count(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "synthetic:0",  "synthetic:-1", "synthetic:x",   "synthetic:10000001",
        "synthetic:5x", "synthetic: 5", "synthetic:1e3", "synthetic:18446744073709551617"};
    for (size_t i = 0; i < COUNT(specs); i++) {
        error err = {0};
        assert_null(source_open(specs[i], 0, &err));
        assert_int_equal(err.kind, ERROR_USER);
        assert_non_null(strstr(err.text, specs[i]));
        assert_null(strchr(err.text, '\n'));
    }
}

static void synthetic_images_depend_on_seed_split_and_index_alone(void **state)
{
    (void)state;
    error err = {0};
    dataset whole = read_synthetic("synthetic:60", 7, SPLIT_TRAIN);
    dataset again = read_synthetic("synthetic:1000", 7, SPLIT_TRAIN);
    assert_memory_equal(whole.images, again.images, 60 * 3072);
    assert_memory_equal(whole.labels, again.labels, 60 * sizeof *whole.labels);
    source *from = source_open("synthetic:60", 7, &err);
    for (size_t first = 60; first-- > 0;) {
        uint8_t image[3072];
        uint16_t label;
        assert_true(source_read(from, SPLIT_TRAIN, first, 1, image, &label, &err));
        assert_memory_equal(image, whole.images + first * 3072, 3072);
        assert_int_equal(label, whole.labels[first]);
    }
    source_free(from);
    dataset other = read_synthetic("synthetic:60", 8, SPLIT_TRAIN);
    dataset test = read_synthetic("synthetic:60", 7, SPLIT_TEST);
    for (size_t i = 0; i < 12; i++) {
        assert_memory_not_equal(whole.images + i * 3072, other.images + i * 3072, 3072);
        assert_memory_not_equal(whole.images + i * 3072, test.images + i * 3072, 3072);
        assert_memory_not_equal(whole.images + i * 3072, whole.images + (i + 1) * 3072, 3072);
    }
    dataset_release(&whole);
    dataset_release(&again);
    dataset_release(&other);
    dataset_release(&test);
}

/* FNV-1a of images and labels: a change of this number is a change of every published result. */
static void synthetic_images_are_the_same_on_every_machine(void **state)
{
    (void)state;
    uint64_t hash = 0xcbf29ce484222325;
    dataset set = read_synthetic("synthetic:200", 1, SPLIT_TRAIN);
    for (size_t i = 0; i < set.n * 3072; i++)
        hash = (hash ^ set.images[i]) * 0x100000001b3;
    for (size_t i = 0; i < set.n; i++)
        hash = (hash ^ set.labels[i]) * 0x100000001b3;
    assert_int_equal(hash, 0xeea8c5201cdde6df);
    dataset_release(&set);
}

static void synthetic_labels_are_balanced_and_mixed(void **state)
{
    (void)state;
    dataset set = read_synthetic("synthetic:1003", 3, SPLIT_TRAIN);
    size_t n[10] = {0}, steps[10] = {0};
    for (size_t i = 0; i < 1000; i++) {
        assert_in_range(set.labels[i], 0, 9);
        n[set.labels[i]]++;
        steps[(set.labels[i + 1] + 10 - set.labels[i]) % 10]++;
    }
    for (int c = 0; c < 10; c++)
        assert_int_equal(n[c], 100);
    for (int c = 1; c < 10; c++) /* no order of the classes is the usual one */
        assert_true(steps[c] < 500);
    dataset_release(&set);
}

/* The nearest of the classes' mean images is a linear classifier: above chance, far from good. */
static void synthetic_classes_are_not_told_by_their_means(void **state)
{
    (void)state;
    dataset train = read_synthetic("synthetic:2000", 1, SPLIT_TRAIN);
    dataset test = read_synthetic("synthetic:2000", 1, SPLIT_TEST);
    static float mean[10][3072];
    memset(mean, 0, sizeof mean);
    for (size_t i = 0; i < train.n; i++)
        for (size_t p = 0; p < 3072; p++)
            mean[train.labels[i]][p] += (float)train.images[i * 3072 + p] / 200;
    size_t right = 0;
    for (size_t i = 0; i < test.n; i++) {
        float nearest = INFINITY;
        int label = -1;
        for (int c = 0; c < 10; c++) {
            float distance = 0;
            for (size_t p = 0; p < 3072; p++) {
                float d = mean[c][p] - (float)test.images[i * 3072 + p];
                distance += d * d;
            }
            if (distance < nearest) {
                nearest = distance;
                label = c;
            }
        }
        right += label == test.labels[i];
    }
    assert_in_range(right, test.n * 11 / 100, test.n * 35 / 100);
    dataset_release(&train);
    dataset_release(&test);
}

/* ---- data sets in memory ----------------------------------------------------------------- */

static void dataset_of_impossible_size_is_refused(void **state)
{
    (void)state;
    error err = {0};
    dataset set;
    assert_false(dataset_init(&set, (image_shape){3, 32, 32, 10}, SIZE_MAX / 2, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_null(set.images);
    dataset_release(&set);
}

/* The bytes of CRC-32 are those of 8-bit labels, whatever the pieces, until a byte no longer tells them apart. */
static void checksum_is_of_bytes_for_256_classes_and_of_pairs_beyond(void **state)
{
    (void)state;
    enum { N = 2100 };
    static uint16_t labels[N];
    static uint8_t images[N], bytes[N], pairs[2 * N];
    for (size_t i = 0; i < N; i++) {
        labels[i] = (uint16_t)(i * 31);
        images[i] = (uint8_t)(i * 7);
        bytes[i] = pairs[2 * i] = (uint8_t)labels[i];
        pairs[2 * i + 1] = (uint8_t)(labels[i] >> 8);
    }
    const uint8_t sampled[] = {images[0], images[1000], images[2000]};
    static const size_t pieces[] = {N, 1000, 1, 513};
    for (size_t k = 0; k < COUNT(pieces); k++) {
        data_checksum few = {0}, many = {0};
        for (size_t first = 0, n; first < N; first += n) {
            n = N - first < pieces[k] ? N - first : pieces[k];
            data_checksum_add(&few, (image_shape){1, 1, 1, 256}, images + first, labels + first, n);
            data_checksum_add(&many, (image_shape){1, 1, 1, 257}, images + first, labels + first,
                              n);
        }
        assert_int_equal(few.labels, crc32_z(0, bytes, N));
        assert_int_equal(many.labels, crc32_z(0, pairs, 2 * N));
        assert_int_equal(few.images, crc32_z(0, sampled, sizeof sampled));
        assert_int_equal(few.n, N);
    }
}

/* ---- sampler ----------------------------------------------------------------------------- */

static void take_epoch(sampler *s, uint32_t epoch, size_t batch, uint32_t *taken)
{
    for (size_t done = 0; done < s->n; done += batch) {
        size_t n = batch < s->n - done ? batch : s->n - done;
        samples next = sampler_take(s, epoch, done, n);
        assert_int_equal(next.n, n);
        assert_int_equal(next.epoch, epoch);
        memcpy(taken + done, next.indices, n * sizeof *next.indices);
    }
}

static void assert_permutation(const uint32_t *p, size_t n)
{
    char *seen = calloc(n, 1);
    assert_non_null(seen);
    for (size_t i = 0; i < n; i++) {
        assert_true(p[i] < n && !seen[p[i]]);
        seen[p[i]] = 1;
    }
    free(seen);
}

static void sampler_hands_out_every_image_once_an_epoch(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {1, 32}, {2, 1}, {96, 32}, {97, 32}, {1000, 33}};
    uint32_t taken[1000];
    for (size_t i = 0; i < COUNT(sizes); i++) {
        error err = {0};
        sampler s;
        assert_true(sampler_init(&s, sizes[i][0], 5, 1, ORDER_SHUFFLE, &err));
        for (uint32_t epoch = 0; epoch < 4; epoch++) {
            take_epoch(&s, epoch, sizes[i][1], taken);
            assert_permutation(taken, s.n);
        }
        sampler_release(&s);
    }
}

static void sampler_order_depends_on_seed_client_and_epoch(void **state)
{
    (void)state;
    enum { N = 100 };
    static const struct {
        uint64_t seed;
        uint32_t client, epoch;
    } cases[] = {{1, 0, 0}, {1, 0, 1}, {1, 1, 0}, {2, 0, 0}, {1, 1, 1}, {1 + (1ULL << 32), 0, 0}};
    uint32_t orders[COUNT(cases)][N], again[N];
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int twice = 0; twice < 2; twice++) {
            error err = {0};
            sampler s;
            assert_true(sampler_init(&s, N, cases[i].seed, cases[i].client, ORDER_SHUFFLE, &err));
            for (uint32_t e = 0; e < (twice ? cases[i].epoch : 0);
                 e++) /* whatever was taken before */
                take_epoch(&s, e, 8, again);
            take_epoch(&s, cases[i].epoch, twice ? 9 : 7, twice ? again : orders[i]);
            sampler_release(&s);
        }
        assert_memory_equal(orders[i], again, sizeof again);
    }
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(orders[i], orders[k], sizeof orders[i]);
}

/* Where image 0 of four goes to in 4,000 epochs: each place about a thousand times. */
static void sampler_shuffles_evenly(void **state)
{
    (void)state;
    error err = {0};
    sampler s;
    size_t at[4][4] = {0};
    uint32_t taken[4];
    assert_true(sampler_init(&s, 4, 11, 3, ORDER_SHUFFLE, &err));
    for (uint32_t epoch = 0; epoch < 4000; epoch++) {
        take_epoch(&s, epoch, 4, taken);
        for (size_t i = 0; i < 4; i++)
            at[taken[i]][i]++;
    }
    for (size_t i = 0; i < 16; i++)
        assert_in_range(at[i / 4][i % 4], 860, 1140); /* five standard deviations */
    sampler_release(&s);
}

static void sampler_in_sequence_keeps_the_order(void **state)
{
    (void)state;
    error err = {0};
    sampler s;
    uint32_t taken[10];
    assert_true(sampler_init(&s, 10, 5, 1, ORDER_SEQUENTIAL, &err));
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        take_epoch(&s, epoch, 4, taken);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(taken[i], i);
    }
    sampler_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synthetic_spec_gives_counts),
        cmocka_unit_test(synthetic_refuses_a_bad_count),
        cmocka_unit_test(synthetic_images_depend_on_seed_split_and_index_alone),
        cmocka_unit_test(synthetic_images_are_the_same_on_every_machine),
        cmocka_unit_test(synthetic_labels_are_balanced_and_mixed),
        cmocka_unit_test(synthetic_classes_are_not_told_by_their_means),
        cmocka_unit_test(dataset_of_impossible_size_is_refused),
        cmocka_unit_test(checksum_is_of_bytes_for_256_classes_and_of_pairs_beyond),
        cmocka_unit_test(sampler_hands_out_every_image_once_an_epoch),
        cmocka_unit_test(sampler_order_depends_on_seed_client_and_epoch),
        cmocka_unit_test(sampler_shuffles_evenly),
        cmocka_unit_test(sampler_in_sequence_keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
