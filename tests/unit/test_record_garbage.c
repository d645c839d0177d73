/* Reading what is no result file, or was one before bytes of it were lost or turned over. */
#include "record_fixture.h"

#include "base/random.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N_FUZZ = 300, SEED = 11 };

static void write_bytes(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_no_hdf5(void **state)
{
    (void)state;
    static char garbage[100000];
    const char *path = fixture_path("x.h5");
    fixture_unreadable(path, "No such file");
    fixture_unreadable(fixture_folder, "no regular file");
    assert_int_equal(mkfifo(fixture_path("fifo"), 0600), 0);
    fixture_unreadable(fixture_path("fifo"), "no regular file");
    write_bytes(path, "", 0);
    fixture_unreadable(path, "");
    write_bytes(path, "[model]\n", 8);
    fixture_unreadable(path, "no HDF5 file");
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (char)random_u64(SEED, random_stream(RANDOM_TEST, 1, 0), i);
    write_bytes(path, garbage, sizeof garbage);
    fixture_unreadable(path, "no HDF5 file");
    memcpy(garbage, "\x89HDF\r\n\x1a\n", 8);
    write_bytes(path, garbage, sizeof garbage);
    fixture_unreadable(path, "cannot be opened as an HDF5 file");
}

static void test_truncated(void **state)
{
    (void)state;
    struct stat status;
    const char *path = fixture_path("x.h5");
    fixture_file(path);
    assert_int_equal(stat(path, &status), 0);
    for (off_t size = status.st_size - 1; size > 0; size = size * 3 / 4) {
        assert_int_equal(truncate(path, size), 0);
        fixture_unreadable(path, "");
    }
}

/* In a child, because the library itself is not beyond doubt: it may fail, but it has to end. */
static int read_spoilt(const char *path)
{
    error err = {0};
    float w[N_WEIGHTS];
    alarm(120); /* half a second under valgrind, and a machine may be busy */
    record_file *file = record_read(path, &err);
    bool good = (file != NULL) == (err.kind == ERROR_NONE) && err.kind != ERROR_ENVIRONMENT;
    record_file_free(file);
    err.kind = ERROR_NONE;
    if (!record_read_weights(path, fixture_tensors, N_TENSORS, w, &err))
        good = good && err.kind == ERROR_USER;
    return good ? 0 : 1;
}

static void test_fuzz(void **state)
{
    (void)state;
    static char whole[1 << 20], spoilt[sizeof whole];
    const char *path = fixture_path("x.h5");
    fixture_file(path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(whole, 1, sizeof whole, file);
    fclose(file);
    assert_true(n > 0 && n < sizeof whole);
    /* Each is read in a process, which a checker makes slow. */
    uint64_t n_files = getenv("BRAMBLE_TEST_FEW") ? N_FUZZ / 3 : N_FUZZ;
    for (uint64_t i = 0; i < n_files; i++) {
        uint64_t stream = random_stream(RANDOM_TEST, 2, (uint32_t)i);
        memcpy(spoilt, whole, n);
        for (uint64_t k = 0; k < 1 + i % 8; k++)
            spoilt[random_below(SEED, stream, 2 * k, n)] ^=
                (char)random_u64(SEED, stream, 2 * k + 1);
        write_bytes(path, spoilt, n);
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            signal(SIGSEGV, SIG_DFL);
            _exit(read_spoilt(path));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("spoilt file %d: status %x", (int)i, (unsigned)status);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_hdf5),
        TEST(test_truncated),
        TEST(test_fuzz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
