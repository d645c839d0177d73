/* What is common to all data sets, with one that says what the test wants. */
#include "base/memory.h"
#include "data/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static image_shape told_shape;
static size_t told_count[2];
static uint16_t told_label;
static const char *told_name; /* of class 2; NULL: as ever */
static int n_open;

static void *open_told(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                       error *err)
{
    (void)seed;
    if (strcmp(spec, "bad") == 0) {
        error_user(err, "%s: cannot be opened", spec);
        return NULL;
    }
    *shape = told_shape;
    memcpy(count, told_count, sizeof told_count);
    n_open++;
    return &n_open;
}

static bool read_told(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                      uint16_t *labels, error *err)
{
    (void)state;
    (void)split;
    (void)err;
    if (images)
        memset(images, 7, n * image_bytes(told_shape));
    for (size_t i = 0; i < n; i++)
        labels[i] = first + i == 5 ? told_label : 0;
    return true;
}

static const char *name_told(const void *state, int c)
{
    (void)state;
    static const char *const names[] = {
        "a name of more than sixty-three letters, the last of 2 bytes: \303\244", NULL, "c"};
    return told_name && c == 2 ? told_name : names[c];
}

static void close_told(void *state)
{
    assert_ptr_equal(state, &n_open);
    n_open--;
}

static const source_kind told = {.name = "told",
                                 .open = open_told,
                                 .read = read_told,
                                 .class_name = name_told,
                                 .close = close_told};

static int tell_nothing_wrong(void **state)
{
    (void)state;
    told_shape = (image_shape){3, 4, 5, 3};
    told_count[SPLIT_TRAIN] = told_count[SPLIT_TEST] = 10;
    told_label = 2;
    told_name = NULL;
    return 0;
}

static void assert_error(const error *err, const char *text)
{
    assert_int_equal(err->kind, ERROR_USER);
    assert_string_equal(err->text, text);
    assert_int_equal(n_open, 0);
}

static void classes_without_a_name_get_their_number(void **state)
{
    (void)state;
    error err = {0};
    source *from = source_open_as(&told, "x", 0, &err);
    assert_non_null(from);
    assert_string_equal(source_class_name(from, 0),
                        "a name of more than sixty-three letters, the last of 2 bytes: ");
    assert_string_equal(source_class_name(from, 1), "class 1");
    assert_string_equal(source_class_name(from, 2), "c");
    assert_null(source_class_name(from, 3));
    assert_null(source_class_name(from, -1));
    source_free(from);
    assert_int_equal(n_open, 0);
}

static void classes_of_one_name_are_refused(void **state)
{
    (void)state;
    error err = {0};
    told_name = "class 1";
    assert_null(source_open_as(&told, "x", 0, &err));
    assert_error(&err, "x: classes 1 and 2 are both called class 1: rename one");
}

static void what_no_run_could_use_is_refused(void **state)
{
    static const struct {
        image_shape shape;
        size_t train, test;
        const char *text;
    } cases[] = {
        {{0, 4, 5, 3}, 1, 1, "x: images of 0 x 4 x 5: at most 16777216 values are expected"},
        {{3, 4, -1, 3}, 1, 1, "x: images of 3 x 4 x -1: at most 16777216 values are expected"},
        {{1, 1 << 24, 2, 3},
         1,
         1,
         "x: images of 1 x 16777216 x 2: at most 16777216 values are expected"},
        {{1 << 30, 1 << 30, 4, 3},
         1,
         1,
         "x: images of 1073741824 x 1073741824 x 4: at most 16777216 values are expected"},
        {{3, 4, 5, 0}, 1, 1, "x: 0 classes: expected 1 to 65536"},
        {{3, 4, 5, 65537}, 1, 1, "x: 65537 classes: expected 1 to 65536"},
        {{3, 4, 5, 3}, 0, 1, "x: 0 training images: expected 1 to 4294967295"},
        {{3, 4, 5, 3}, 1, 1UL << 32, "x: 4294967296 test images: expected 1 to 4294967295"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        error err = {0};
        tell_nothing_wrong(state);
        told_shape = cases[i].shape;
        told_count[SPLIT_TRAIN] = cases[i].train;
        told_count[SPLIT_TEST] = cases[i].test;
        assert_null(source_open_as(&told, "x", 0, &err));
        assert_error(&err, cases[i].text);
    }
    error err = {0};
    assert_null(source_open_as(&told, "bad", 0, &err));
    assert_error(&err, "bad: cannot be opened");
}

static void labels_are_checked_with_and_without_images(void **state)
{
    (void)state;
    uint8_t images[10 * 60];
    uint16_t labels[10];
    for (int alone = 0; alone < 2; alone++)
        for (told_label = 2; told_label < 4; told_label++) {
            error err = {0};
            source *from = source_open_as(&told, "x", 0, &err);
            assert_non_null(from);
            memset(images, 0, sizeof images);
            assert_true(source_read(from, SPLIT_TEST, 6, 4, images, labels, &err));
            bool good = source_read(from, SPLIT_TEST, 3, 4, alone ? NULL : images, labels, &err);
            source_free(from);
            assert_int_equal(good, told_label == 2);
            if (!good)
                assert_error(&err, "x: test image 5: label 3, expected 0 to 2");
        }
}

static void labels_alone_are_those_of_the_images(void **state)
{
    (void)state;
    enum { N = 70 };
    error err = {0};
    static uint8_t images[N * 3072];
    uint16_t with[N], alone[N];
    source *from = source_open("synthetic:100", 3, &err);
    assert_true(source_read(from, SPLIT_TRAIN, 20, N, images, with, &err));
    assert_true(source_read(from, SPLIT_TRAIN, 20, N, NULL, alone, &err));
    assert_memory_equal(with, alone, sizeof with);
    source_free(from);
}

#define TEST(name) cmocka_unit_test_setup(name, tell_nothing_wrong)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(classes_without_a_name_get_their_number),
        TEST(classes_of_one_name_are_refused),
        TEST(what_no_run_could_use_is_refused),
        TEST(labels_are_checked_with_and_without_images),
        TEST(labels_alone_are_those_of_the_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
