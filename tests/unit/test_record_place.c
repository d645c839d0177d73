/* Names of files when the file system cannot do, or refuses, what gives them: old files stay. */
#include "record_fixture.h"

#include "record/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What is to happen to the system calls of this process. */
static struct {
    bool no_links; /* as on exFAT by FUSE: neither hard links nor RENAME_NOREPLACE */
    int folder_at; /* the sync of a folder, from 1, that fails; 0: none */
    int rename_at; /* the rename likewise */
    int n_folders, n_renames;
} fault;

/* These stand in for the C library's, whichever object calls them. */
int link(const char *from, const char *to)
{
    errno = EPERM;
    return fault.no_links ? -1 : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    errno = EINVAL;
    return fault.no_links ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int rename(const char *from, const char *to)
{
    errno = EIO;
    return ++fault.n_renames == fault.rename_at
               ? -1
               : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fsync(int fd)
{
    struct stat status;
    bool is_folder = fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
    errno = EIO;
    return is_folder && ++fault.n_folders == fault.folder_at ? -1 : 0;
}

static int setup(void **state)
{
    memset(&fault, 0, sizeof fault);
    return fixture_setup(state);
}

static size_t count_files(void)
{
    size_t n = 0;
    DIR *folder = opendir(fixture_folder);
    assert_non_null(folder);
    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 2; /* . and .. */
}

static record *create(const char *path, bool force, error *err)
{
    record_plan plan = fixture_plan(N_ROUNDS);
    return record_create(path, force, &plan, err);
}

static void expect_whole(const char *path)
{
    size_t n = 0;
    fixture_check(path, &n);
    assert_int_equal(n, N_ROUNDS);
    assert_int_equal(count_files(), 1);
}

/* --force, and the folder cannot be synced or the name not be given: the old result is there. */
static void test_force_fails(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    fixture_file(path);
    for (int k = 0; k < 4; k++) {
        error err = {0};
        fault.no_links = k > 1;
        fault.n_folders = fault.n_renames = 0;
        fault.folder_at = k % 2;
        fault.rename_at = 1 - k % 2;
        assert_null(create(path, true, &err));
        fixture_expect(&err, ERROR_ENVIRONMENT, path, strerror(EIO));
        expect_whole(path);
    }
}

/* The same where nothing stood: nothing is left behind. */
static void test_new_fails(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        error err = {0};
        fault.n_folders = 0;
        fault.folder_at = 1;
        fault.no_links = k > 1;
        assert_null(create(fixture_path("run.h5"), k % 2, &err));
        fixture_expect(&err, ERROR_ENVIRONMENT, "run.h5", strerror(EIO));
        assert_int_equal(count_files(), 0);
    }
}

static void test_without_hard_links(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    fault.no_links = true;
    fault.rename_at = 1;
    assert_null(create(path, false, &err));
    fixture_expect(&err, ERROR_ENVIRONMENT, path, strerror(EIO));
    assert_int_equal(count_files(), 0);
    err.kind = ERROR_NONE;
    fixture_file(path);
    expect_whole(path);
    assert_null(create(path, false, &err));
    fixture_expect(&err, ERROR_USER, path, "exists");
    expect_whole(path);
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

static size_t rounds_in(const char *path)
{
    error err = {0};
    record_file *file = record_read(path, &err);
    size_t n = file ? file->n_rounds : 0;
    record_file_free(file);
    return n;
}

/* Saves after every round; the rename of that number fails in the round of that number. */
static void save_all(bool no_links, size_t bad_round, int bad_rename, size_t newest,
                     size_t previous)
{
    error err = {0};
    float w[N_WEIGHTS];
    const checkpoint_vector vector = {"w", "Weights.", false, N_WEIGHTS, w};
    const checkpoint_plan kept = {&vector, 1, 2, "run.h5"};
    const char *path = fixture_path("c.h5");
    record_plan plan = fixture_plan(N_ROUNDS);
    plan.checkpoint = &kept;
    checkpoint *saver = checkpoint_new(path, true, &plan, &err);
    plan.checkpoint = NULL;
    record *run = create(fixture_path("run.h5"), true, &err);
    assert_non_null(saver);
    assert_non_null(run);
    for (size_t round = 0; round <= bad_round; round++) {
        assert_true(fixture_add(run, round, &err));
        fixture_weights((int64_t)round, w);
        checkpoint_state now = {{2, 100, 20, -5, 2, 15, 1e9}, &vector, w, (int64_t)round};
        fault.no_links = no_links;
        fault.n_renames = 0;
        fault.rename_at = round == bad_round ? bad_rename : 0;
        bool good = checkpoint_take(saver, run, &now, &err) && checkpoint_publish(saver, &err);
        assert_true(good == (round < bad_round));
        fault.rename_at = 0;
    }
    fixture_expect(&err, ERROR_ENVIRONMENT, path, strerror(EIO));
    assert_int_equal(rounds_in(path), newest);
    assert_int_equal(rounds_in(fixture_path("c.h5.previous")), previous);
    checkpoint_free(saver);
    err.kind = ERROR_NONE;
    assert_true(record_close(run, &err));
    assert_int_equal(count_files(), 1 + (newest > 0) + (previous > 0));
    unlink(path);
    unlink(fixture_path("c.h5.previous"));
}

/* A rename fails: the newest checkpoint and the one before are what they were. */
static void test_save_fails(void **state)
{
    (void)state;
    save_all(false, 0, 1, 0, 0);
    save_all(false, 1, 1, 1, 0);
    save_all(false, 2, 1, 2, 1);
    save_all(false, 2, 2, 2, 1);
    save_all(true, 0, 1, 0, 0);
    for (int call = 1; call <= 2; call++)
        save_all(true, 1, call, 1, 0);
    for (int call = 1; call <= 3; call++)
        save_all(true, 2, call, 2, 1);
}

/* A name that cannot be kept as the previous one is refused at once. */
static void test_previous_has_no_name(void **state)
{
    (void)state;
    error err = {0};
    const checkpoint_plan kept = {.out = "run.h5"};
    record_plan plan = fixture_plan(N_ROUNDS);
    char name[NAME_MAX + 1] = "";
    plan.checkpoint = &kept;
    memset(name, 'c', NAME_MAX - 8);
    assert_null(checkpoint_new(fixture_path(name), false, &plan, &err));
    fixture_expect(&err, ERROR_USER, "the name is too long", "--checkpoint");
    err.kind = ERROR_NONE;
    name[NAME_MAX - 9] = '\0';
    checkpoint *saver = checkpoint_new(fixture_path(name), false, &plan, &err);
    assert_non_null(saver);
    checkpoint_free(saver);
    assert_int_equal(mkdir(fixture_path("d.h5.previous"), 0700), 0);
    assert_null(checkpoint_new(fixture_path("d.h5"), false, &plan, &err));
    fixture_expect(&err, ERROR_USER, "d.h5.previous", "is no regular file");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_force_fails),          TEST(test_new_fails),
        TEST(test_without_hard_links),   TEST(test_save_fails),
        TEST(test_previous_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
