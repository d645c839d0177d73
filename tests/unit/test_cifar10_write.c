/* Writing a data set in CIFAR-10's form. */
#include "cifar10_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void assert_same_images(source *a, source *b, enum split split)
{
    error err = {0};
    assert_int_equal(source_count(a, split), source_count(b, split));
    for (size_t i = 0; i < source_count(a, split); i++) {
        uint8_t image[2][IMAGE];
        uint16_t label[2];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_again),
        TEST(writing_refuses_and_leaves_nothing),
        TEST(failed_writing_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
