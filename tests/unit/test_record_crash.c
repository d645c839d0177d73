/* The result file when things go wrong: kill -9, full and forbidden disks, huge plans. */
#include "record_fixture.h"

#include "base/random.h"

#include <dirent.h>
#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { N_KILLS = 30, N_LONG = 400, SEED = 7, SKIPPED = 77 };

/* ---- kill -9 --------------------------------------------------------------------------------- */

/* Writes run after run, as fast as it can, until it is killed. */
static void write_for_ever(const char *path)
{
    for (;;) {
        error err = {0};
        record_plan plan = fixture_plan(N_LONG);
        record *run = record_create(path, true, &plan, &err);
        bool good = run != NULL;
        for (size_t round = 0; good && round < N_LONG; round++)
            good = fixture_add(run, round, &err) &&
                   (round % 16 != 0 || fixture_finish(run, (int64_t)round, &err));
        if (!good || !record_close(run, &err))
            _exit(1);
    }
}

static void test_kill(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    size_t n_rounds = 0;
    for (uint64_t i = 0; i < N_KILLS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_for_ever(path);
        while (access(path, F_OK) != 0 && waitpid(pid, NULL, WNOHANG) == 0)
            usleep(100);
        usleep((useconds_t)random_below(SEED, random_stream(RANDOM_TEST, 0, 0), i, 40000));
        int status;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        fixture_check(path, &n_rounds);
    }
    assert_true(n_rounds > 0);
}

/* A reader of the weights never sees half of one model and half of another. */
static void test_read_while_written(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    size_t n_read = 0;
    fixture_file(path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_for_ever(path);
    for (int i = 0; i < 200; i++) {
        error err = {0};
        float w[N_WEIGHTS], wanted[N_WEIGHTS];
        if (record_read_weights(path, fixture_tensors, N_TENSORS, w, &err)) {
            fixture_weights((int64_t)w[0] / 100 - 2, wanted);
            assert_memory_equal(w, wanted, sizeof w);
            n_read++;
        } else {
            fixture_expect(&err, ERROR_USER, path, "no whole model");
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(n_read > 0);
}

/* ---- disks ----------------------------------------------------------------------------------- */

static bool is_empty(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n == 2;
}

/* What a child says on stderr, and its status as from waitpid. */
static int run_child(int (*body)(const char *), const char *folder, char said[1024])
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        exit(body(folder)); /* exit, because HDF5 speaks up there if it ever does */
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t n = 1; n > 0 && used<1023; used += n> 0 ? (size_t)n : 0)
        n = read(ends[0], said + used, 1023 - used);
    said[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* 0: refused as it should be, and nothing left */
static int expect_full(const char *folder, const record_plan *plan)
{
    error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/run.h5", folder);
    record *run = record_create(path, false, plan, &err);
    if (run || err.kind != ERROR_ENVIRONMENT || !strstr(err.text, path) ||
        !strstr(err.text, strerror(ENOSPC))) {
        fprintf(stderr, "expected a full disk, got: %s\n", err.text);
        return 1;
    }
    return is_empty(folder) ? 0 : 2;
}

static int fill_disk(const char *folder)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=256k") != 0)
        return SKIPPED;
    record_plan plan = fixture_plan(10000); /* larger by its sizes alone */
    int failed = expect_full(folder, &plan);
    if (failed)
        return failed;
    /* Larger by the length of its texts. */
    static char value[30000];
    static record_pair config[20];
    static char names[20][16];
    memset(value, 'x', sizeof value - 1);
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        config[i] = (record_pair){names[i], value};
    }
    plan = fixture_plan(5);
    plan.config = config;
    plan.n_config = 20;
    failed = expect_full(folder, &plan);
    if (failed)
        return failed;
    /* And when there is room again all is well. */
    error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/run.h5", folder);
    plan = fixture_plan(5);
    record *run = record_create(path, false, &plan, &err);
    return run && fixture_add(run, 0, &err) && record_close(run, &err) ? 0 : 3;
}

static void test_full_disk(void **state)
{
    (void)state;
    char said[1024];
    int status = run_child(fill_disk, fixture_folder, said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        skip(); /* not allowed to mount */
    assert_string_equal(said, "");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int write_forbidden(const char *folder)
{
    error err = {0};
    char path[256];
    record_plan plan = fixture_plan(5);
    snprintf(path, sizeof path, "%s/run.h5", folder);
    if (geteuid() == 0 && seteuid(65534) != 0)
        return SKIPPED;
    if (record_check_new(path, false, &err) || err.kind != ERROR_ENVIRONMENT ||
        !strstr(err.text, path))
        return 1;
    err.kind = ERROR_NONE;
    bool refused = !record_create(path, false, &plan, &err) && err.kind == ERROR_ENVIRONMENT;
    (void)!seteuid(getuid()); /* LeakSanitizer wants to look at the process */
    return refused ? 0 : 2;
}

static void test_unwritable(void **state)
{
    (void)state;
    char said[1024];
    assert_int_equal(chmod(fixture_folder, 0555), 0);
    int status = run_child(write_forbidden, fixture_folder, said);
    assert_int_equal(chmod(fixture_folder, 0755), 0);
    assert_string_equal(said, "");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(is_empty(fixture_folder));
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void test_large_plan(void **state)
{
    (void)state;
    const size_t too_many[] = {20 * 1000 * 1000, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        error err = {0};
        record_plan plan = fixture_plan(too_many[i]);
        assert_null(record_create(fixture_path("run.h5"), false, &plan, &err));
        fixture_expect(&err, ERROR_USER, "--rounds", "run.h5");
    }
    assert_true(is_empty(fixture_folder));
}

/* A row far behind the first ones lands where it should. */
static void test_many_rounds(void **state)
{
    (void)state;
    error err = {0};
    const size_t n = 30000;
    const char *path = fixture_path("run.h5");
    record_plan plan = fixture_plan(n);
    record *run = record_create(path, false, &plan, &err);
    assert_non_null(run);
    for (size_t round = 0; round < n; round++)
        assert_true(fixture_add(run, round, &err));
    assert_true(record_close(run, &err));
    size_t n_rounds = 0;
    fixture_check(path, &n_rounds);
    assert_int_equal(n_rounds, n);
}

/* Power was lost before the last rows were on the disk: those do not count. */
static void test_power_loss(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    fixture_file(path);
    double values[N_ROUNDS] = {1, 2, 3, NAN, NAN};
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t dataset = H5Dopen2(file, "/rounds/t_end_s", H5P_DEFAULT);
    assert_true(H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    assert_true(H5Dclose(dataset) >= 0 && H5Fclose(file) >= 0);
    record_file *read = record_read(path, &err);
    assert_non_null(read);
    assert_int_equal(read->n_rounds, 3);
    record_file_free(read);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_kill),       TEST(test_read_while_written), TEST(test_full_disk),
        TEST(test_unwritable), TEST(test_large_plan),         TEST(test_many_rounds),
        TEST(test_power_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
