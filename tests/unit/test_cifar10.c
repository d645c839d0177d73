/* CIFAR-10's binary files: good ones, bad ones, the official ones. */
#include "cifar10_fixture.h"

/* ---- reading ----------------------------------------------------------------------------- */

static void small_set_is_read_across_its_files(void **state)
{
    (void)state;
    error err = {0};
    put_small_set();
    source *from = source_open(folder, 0, &err);
    assert_non_null(from);
    assert_int_equal(source_count(from, SPLIT_TRAIN), 171);
    assert_int_equal(source_count(from, SPLIT_TEST), 130);
    assert_string_equal(source_class_name(from, 0), "airplane");
    assert_string_equal(source_class_name(from, 9), "truck");
    static uint8_t images[171 * IMAGE];
    static uint16_t labels[171];
    static const size_t ranges[][2] = {{0, 171}, {99, 3}, {100, 1}, {101, 70}, {170, 1}, {171, 0}};
    for (size_t k = 0; k < COUNT(ranges); k++) {
        size_t first = ranges[k][0], n = ranges[k][1];
        assert_true(source_read(from, SPLIT_TRAIN, first, n, images, labels, &err));
        for (size_t i = 0; i < n; i++) {
            size_t in_file = first + i < 100 ? first + i : first + i < 101 ? 0 : first + i - 101;
            assert_int_equal(labels[i], in_file % 10);
            assert_int_equal(images[i * IMAGE], in_file);
            assert_int_equal(images[i * IMAGE + IMAGE - 1], 0);
        }
    }
    assert_true(source_read(from, SPLIT_TEST, 65, 65, images, labels, &err));
    assert_int_equal(images[0], 65);
    assert_int_equal(labels[64], 9);
    source_free(from);
}

static void bad_file_is_named_with_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        long long size;
        const char *blamed, *what;
    } cases[] = {
        {"data_batch_1.bin", MISSING, "data_batch_1.bin", "missing"},
        {"test_batch.bin", MISSING, "test_batch.bin", "missing"},
        {"data_batch_2.bin", MISSING, "data_batch_2.bin", "missing"}, /* a third one is there */
        {"data_batch_5.bin", RECORD, "data_batch_4.bin", "missing"},
        {"data_batch_1.bin", FULL, "data_batch_4.bin",
         "missing"}, /* the official set, incomplete */
        {"data_batch_1.bin", 0, "data_batch_1.bin", "empty"},
        {"test_batch.bin", 0, "test_batch.bin", "empty"},
        {"data_batch_3.bin", RECORD - 1, "data_batch_3.bin", "cut off: 3072 bytes"},
        {"test_batch.bin", FULL - 1, "test_batch.bin", "cut off: 30729999 bytes"},
        {"data_batch_1.bin", FULL + 1, "data_batch_1.bin", "too long with 30730001 bytes"},
        {"test_batch.bin", FULL + RECORD, "test_batch.bin", "too long with 30733073 bytes"},
        {"data_batch_2.bin", 1LL << 40, "data_batch_2.bin", "too long with 1099511627776 bytes"},
        {"data_batch_2.bin", FOLDER, "data_batch_2.bin", "not a regular file"},
        {"test_batch.bin", PIPE, "test_batch.bin", "not a regular file"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        put_small_set();
        put(cases[i].name, cases[i].size);
        error err = {0};
        assert_null(source_open(folder, 0, &err));
        assert_user_error(&err, path_of(cases[i].blamed), cases[i].what);
        assert_user_error(&err, "30730000 bytes", "make data");
        error same = {0};
        assert_false(cifar10_check(folder, stdout, &same));
        assert_string_equal(same.text, err.text);
        put(cases[i].name, MISSING);
    }
}

static void bad_folder_is_named(void **state)
{
    (void)state;
    error none = {0}, file = {0}, empty = {0};
    put_small_set();
    assert_null(source_open("/no/such", 0, &none));
    assert_user_error(&none, "/no/such", "no such folder");
    assert_null(source_open(path_of("test_batch.bin"), 0, &file));
    assert_user_error(&file, path_of("test_batch.bin"), "not a folder");
    assert_null(source_open("", 0, &empty));
    assert_user_error(&empty, "''", "make data");
}

/* What people have when they have it from elsewhere. */
static void files_that_are_elsewhere_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *file, *told;
    } cases[] = {
        {"below/data_batch_1.bin", "one folder below: name %s/below"},
        {"data_batch_1.bin.gz", "but compressed: gunzip %s/*.gz"},
        {"below/data_batch_1.bin.gz", "but compressed: gunzip %s/below/*.gz"},
        {"data_batch_1",
         "%s has CIFAR-10 for Python, and the binary version is needed: `make data`"},
        {"below/data_batch_1", "%s/below has CIFAR-10 for Python"},
        {"data_batch_1.mat", "%s has CIFAR-10 for Matlab"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char told[300];
        error err = {0};
        put_small_set();
        put("data_batch_1.bin", MISSING);
        put("below", FOLDER);
        put(cases[i].file, RECORD);
        snprintf(told, sizeof told, cases[i].told, folder);
        assert_null(source_open(folder, 0, &err));
        assert_user_error(&err, path_of("data_batch_1.bin: missing; "), told);
        put(cases[i].file, MISSING);
        put("below", MISSING);
    }
}

/* Over the ends of files. */
static void labels_are_read_without_images(void **state)
{
    (void)state;
    error err = {0};
    static uint8_t images[171 * IMAGE];
    static uint16_t with[171], alone[171];
    put_small_set();
    source *from = source_open(folder, 0, &err);
    assert_non_null(from);
    assert_true(source_read(from, SPLIT_TRAIN, 0, 171, images, with, &err));
    assert_true(source_read(from, SPLIT_TRAIN, 0, 171, NULL, alone, &err));
    assert_memory_equal(with, alone, sizeof with);
    source_free(from);
}

static void bad_label_is_found_when_read(void **state)
{
    (void)state;
    static const int bad[] = {10, 255};
    for (size_t i = 0; i < COUNT(bad); i++) {
        error err = {0}, checked = {0};
        char what[64];
        static uint8_t images[171 * IMAGE];
        static uint16_t labels[171];
        put_small_set();
        put_byte("data_batch_3.bin", 69 * RECORD, bad[i]);
        snprintf(what, sizeof what, ": image 69: label %d, expected 0 to 9", bad[i]);
        source *from = source_open(folder, 0, &err);
        assert_non_null(from);
        assert_true(source_read(from, SPLIT_TRAIN, 0, 170, images, labels, &err));
        assert_false(source_read(from, SPLIT_TRAIN, 0, 171, images, labels, &err));
        assert_user_error(&err, path_of("data_batch_3.bin"), what);
        source_free(from);
        FILE *out = fopen("/dev/null", "w");
        assert_false(cifar10_check(folder, out, &checked));
        assert_user_error(&checked, path_of("data_batch_3.bin"), what);
        fclose(out);
    }
}

static void file_that_shrinks_is_the_environments_fault(void **state)
{
    (void)state;
    error err = {0};
    static uint8_t images[100 * IMAGE];
    static uint16_t labels[100];
    put_small_set();
    source *from = source_open(folder, 0, &err);
    assert_non_null(from);
    assert_int_equal(truncate(path_of("data_batch_1.bin"), 50 * RECORD), 0);
    assert_true(source_read(from, SPLIT_TRAIN, 0, 50, images, labels, &err));
    assert_false(source_read(from, SPLIT_TRAIN, 0, 51, images, labels, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.text, path_of("data_batch_1.bin")));
    source_free(from);
}

static void names_of_classes_come_from_their_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first, *last;
    } cases[] = {{"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", "a", "j"},
                 {"a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj", "a", "j"},
                 {"a b\nb\nc\nd\ne\nf\ng\nh\ni\nfire engine \n", "a b", "fire engine"},
                 {"a\nb\nc\nd\ne\nf\ng\nh\ni\n", "a", "class 9"},
                 {"\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", "class 0", "j"},
                 {"a\nb\nc\nd\ne\nf\ng\nh\ni\n\033[31mj\n", "a", "class 9"},
                 {"caf\303\251\nb\nc\nd\ne\nf\ng\nh\ni\nabcdefghijklmnopqrstuvwxyzabcdef\n",
                  "caf\303\251", "abcdefghijklmnopqrstuvwxyzabcdef"},
                 {"caf\351\nb\nc\nd\ne\nf\ng\nh\ni\n\302\205\n", "class 0", "class 9"},
                 {"", "airplane", "truck"}};
    put_small_set();
    for (size_t i = 0; i < COUNT(cases); i++) {
        error err = {0};
        FILE *file = fopen(path_of(cifar10_names_file), "w");
        assert_non_null(file);
        fputs(cases[i].text, file);
        fclose(file);
        source *from = source_open(folder, 0, &err);
        assert_non_null(from);
        assert_string_equal(source_class_name(from, 0), cases[i].first);
        assert_string_equal(source_class_name(from, 9), cases[i].last);
        source_free(from);
    }
}

/* ---- checking, and the official files ---------------------------------------------------- */

static char *check_text(const char *where)
{
    static char text[2000];
    error err = {0};
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    assert_true(cifar10_check(where, out, &err));
    assert_int_equal(fclose(out), 0);
    return text;
}

static void check_counts_classes(void **state)
{
    (void)state;
    put_small_set();
    assert_string_equal(check_text(folder),
                        "data_batch_1.bin: 100 images, per class 10 10 10 10 10 10 10 10 10 10, "
                        "well-formed, not the official file\n"
                        "data_batch_2.bin: 1 images, per class 1 0 0 0 0 0 0 0 0 0, "
                        "well-formed, not the official file\n"
                        "data_batch_3.bin: 70 images, per class 7 7 7 7 7 7 7 7 7 7, "
                        "well-formed, not the official file\n"
                        "test_batch.bin: 130 images, per class 13 13 13 13 13 13 13 13 13 13, "
                        "well-formed, not the official file\n");
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    error err = {0};
    assert_false(cifar10_check(folder, full, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    fclose(full);
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

static void official_files_are_recognised(void **state)
{
    (void)state;
    const char *data = getenv("BRAMBLE_DATA");
    if (!data)
        skip();
    error err = {0};
    assert_int_equal(count_of(check_text(data), "10000 images"), 6);
    assert_int_equal(count_of(check_text(data), "the official file\n"), 6);
    assert_int_equal(count_of(check_text(data), "not the official"), 0);
    source *from = source_open(data, 0, &err);
    assert_non_null(from);
    assert_int_equal(source_count(from, SPLIT_TRAIN), 50000);
    assert_int_equal(source_count(from, SPLIT_TEST), 10000);
    static uint8_t images[5 * IMAGE];
    static uint16_t labels[5];
    assert_true(source_read(from, SPLIT_TRAIN, 0, 5, images, labels, &err));
    assert_memory_equal(labels, ((uint16_t[]){6, 9, 9, 4, 1}),
                        5 * sizeof *labels); /* frog, truck, truck, deer, car */
    assert_memory_equal(images, ((uint8_t[]){59, 43, 50}), 3);
    assert_true(source_read(from, SPLIT_TEST, 0, 5, images, labels, &err));
    assert_memory_equal(labels, ((uint16_t[]){3, 8, 8, 0, 6}), 5 * sizeof *labels);
    source_free(from);
}

/* The official training files, and a test file in which one bit differs. */
static void changed_official_file_is_told(void **state)
{
    (void)state;
    const char *data = getenv("BRAMBLE_DATA");
    if (!data)
        skip();
    char command[512];
    snprintf(command, sizeof command,
             "ln -s \"$(realpath '%s')\"/data_batch_?.bin '%s' && cp '%s'/test_batch.bin '%s'",
             data, folder, data, folder);
    assert_int_equal(system(command), 0);
    FILE *file = fopen(path_of("test_batch.bin"), "r+b");
    assert_non_null(file);
    fseek(file, 12345678, SEEK_SET);
    int byte = fgetc(file);
    fclose(file);
    put_byte("test_batch.bin", 12345678, byte ^ 1);
    const char *text = check_text(folder);
    assert_int_equal(count_of(text, ", the official file\n"), 5);
    assert_non_null(strstr(strstr(text, "test_batch.bin"), "well-formed, not the official file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_set_is_read_across_its_files),
        TEST(bad_file_is_named_with_what_was_expected),
        TEST(bad_folder_is_named),
        TEST(files_that_are_elsewhere_are_found),
        TEST(labels_are_read_without_images),
        TEST(bad_label_is_found_when_read),
        TEST(file_that_shrinks_is_the_environments_fault),
        TEST(names_of_classes_come_from_their_file),
        TEST(check_counts_classes),
        TEST(official_files_are_recognised),
        TEST(changed_official_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
