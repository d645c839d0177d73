/* CIFAR-10's binary files: good ones, bad ones, the official ones. */
#include "data/cifar10.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { RECORD = CIFAR10_RECORD_BYTES, IMAGE = RECORD - 1, FULL = 30730000 };
enum { MISSING = -1, FOLDER = -2, PIPE = -3 };

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/bramble-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Zeros, which are as many images of class 0; takes no room on the disk. */
static void put(const char *name, long long size)
{
    const char *path = path_of(name);
    if (unlink(path) != 0)
        rmdir(path);
    if (size == FOLDER)
        assert_int_equal(mkdir(path, 0777), 0);
    else if (size == PIPE)
        assert_int_equal(mkfifo(path, 0666), 0);
    else if (size != MISSING) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, size), 0);
        close(fd);
    }
}

static void put_byte(const char *name, long offset, int byte)
{
    FILE *file = fopen(path_of(name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
}

/* Three files of 100, 1 and 70 training images and one of 130 test images; image i of a file has label
 * i % 10 and first byte i. */
static void put_small_set(void)
{
    static const int n[CIFAR10_FILES] = {100, 1, 70, 0, 0, 130};
    for (int f = 0; f < CIFAR10_FILES; f++) {
        put(cifar10_files[f], n[f] ? n[f] * RECORD : MISSING);
        for (int i = 0; i < n[f]; i++) {
            put_byte(cifar10_files[f], i * RECORD, i % 10);
            put_byte(cifar10_files[f], i * RECORD + 1, i);
        }
    }
    put(cifar10_names_file, MISSING);
}

static void assert_user_error(const error *err, const char *where, const char *what)
{
    assert_int_equal(err->kind, ERROR_USER);
    assert_non_null(strstr(err->text, where));
    assert_non_null(strstr(err->text, what));
    assert_null(strchr(err->text, '\n'));
}

/* ---- reading ----------------------------------------------------------------------------------- */

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
    static uint8_t images[171 * IMAGE], labels[171];
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

static void bad_label_is_found_when_read(void **state)
{
    (void)state;
    static const int bad[] = {10, 255};
    for (size_t i = 0; i < COUNT(bad); i++) {
        error err = {0}, checked = {0};
        char what[64];
        static uint8_t images[171 * IMAGE], labels[171];
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
    static uint8_t images[100 * IMAGE], labels[100];
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

static void names_of_classes_come_from_their_file_if_it_is_good(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first, *last;
    } cases[] = {
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", "a", "j"},
        {"a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj", "a", "j"},
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\n", "airplane", "truck"},
        {"a\nb\nc\nd\ne\nf\n\ng\nh\ni\nj\n", "airplane", "truck"},
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\n\033[31mj\n", "airplane", "truck"},
        {"a\nb\nc\nd\ne\nf\ng\nh\ni\nabcdefghijklmnopqrstuvwxyzabcdef\n", "airplane", "truck"},
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

/* ---- writing ----------------------------------------------------------------------------------- */

static void assert_same_images(source *a, source *b, enum split split)
{
    error err = {0};
    assert_int_equal(source_count(a, split), source_count(b, split));
    for (size_t i = 0; i < source_count(a, split); i++) {
        uint8_t image[2][IMAGE], label[2];
        assert_true(source_read(a, split, i, 1, image[0], &label[0], &err));
        assert_true(source_read(b, split, i, 1, image[1], &label[1], &err));
        assert_memory_equal(image[0], image[1], IMAGE);
        assert_int_equal(label[0], label[1]);
    }
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    static const char *const specs[] = {"synthetic:1", "synthetic:3", "synthetic:5",
                                        "synthetic:678"};
    for (size_t i = 0; i < COUNT(specs); i++) {
        error err = {0};
        char written[128];
        snprintf(written, sizeof written, "%s/new%zu", folder, i);
        source *from = source_open(specs[i], 4, &err);
        assert_true(cifar10_write(from, written, &err));
        source *back = source_open(written, 0, &err);
        assert_non_null(back);
        assert_same_images(from, back, SPLIT_TRAIN);
        assert_same_images(from, back, SPLIT_TEST);
        for (int c = 0; c < 10; c++)
            assert_string_equal(source_class_name(from, c), source_class_name(back, c));
        source_free(back);
        assert_false(cifar10_write(from, written, &err));
        assert_user_error(&err, written, "data_batch_1.bin: exists");
        source_free(from);
    }
}

static size_t entries(const char *path)
{
    char command[128];
    size_t n = 0;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%zu", &n), 1);
    pclose(pipe);
    return n;
}

static void writing_refuses_and_leaves_nothing(void **state)
{
    (void)state;
    error many = {0}, parent = {0}, file = {0}, there = {0};
    char new_folder[256];
    snprintf(new_folder, sizeof new_folder, "%s", path_of("new"));
    source *from = source_open("synthetic:50001", 0, &many);
    assert_false(cifar10_write(from, new_folder, &many));
    assert_user_error(&many, new_folder, "50001 training");
    source_free(from);
    from = source_open("synthetic:20", 0, &parent);
    assert_false(cifar10_write(from, path_of("no/such"), &parent));
    assert_user_error(&parent, "no/such", "cannot be made");
    put("file", 5);
    assert_false(cifar10_write(from, path_of("file"), &file));
    assert_user_error(&file, path_of("file"), "Not a directory");
    assert_int_equal(entries(folder), 1);
    put("data_batch_5.bin", 7); /* one that a smaller set would not even replace */
    assert_false(cifar10_write(from, folder, &there));
    assert_user_error(&there, path_of("data_batch_5.bin"), "exists");
    assert_int_equal(entries(folder), 2);
    source_free(from);
}

/* Files may not grow beyond 100,000 bytes: the first training file fits, the second does not. */
static void failed_writing_leaves_nothing(void **state)
{
    (void)state;
    error err = {0}, bad = {0};
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    source *from = source_open("synthetic:163", 0, &err);
    assert_non_null(from);
    limit = (struct rlimit){.rlim_cur = 100000, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    bool good = cifar10_write(from, path_of("full"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    source_free(from);
    assert_false(good);
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    assert_non_null(strstr(err.text, "data_batch_2.bin: cannot be written: File too large"));
    assert_int_equal(entries(folder), 0);

    put_small_set();
    put_byte("test_batch.bin", 129 * RECORD, 77);
    size_t n = entries(folder);
    from = source_open(folder, 0, &bad);
    assert_non_null(from);
    assert_false(cifar10_write(from, path_of("copy"), &bad));
    assert_user_error(&bad, path_of("test_batch.bin"), "label 77");
    assert_int_equal(entries(folder), n);
    source_free(from);
}

/* ---- checking, and the official files ---------------------------------------------------------- */

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
    static uint8_t images[5 * IMAGE], labels[5];
    assert_true(source_read(from, SPLIT_TRAIN, 0, 5, images, labels, &err));
    assert_memory_equal(labels, ((uint8_t[]){6, 9, 9, 4, 1}),
                        5); /* frog, truck, truck, deer, car */
    assert_memory_equal(images, ((uint8_t[]){59, 43, 50}), 3);
    assert_true(source_read(from, SPLIT_TEST, 0, 5, images, labels, &err));
    assert_memory_equal(labels, ((uint8_t[]){3, 8, 8, 0, 6}), 5);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_set_is_read_across_its_files),
        TEST(bad_file_is_named_with_what_was_expected),
        TEST(bad_folder_is_named),
        TEST(bad_label_is_found_when_read),
        TEST(file_that_shrinks_is_the_environments_fault),
        TEST(names_of_classes_come_from_their_file_if_it_is_good),
        TEST(what_is_written_is_read_again),
        TEST(writing_refuses_and_leaves_nothing),
        TEST(failed_writing_leaves_nothing),
        TEST(check_counts_classes),
        TEST(official_files_are_recognised),
        TEST(changed_official_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
