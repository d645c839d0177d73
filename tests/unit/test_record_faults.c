/* The result file when a system call that writes it is the last, or does half of its work. */
#include "record_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { N_ADDED = 3 };

/* What is to happen to pwrite(2) in this process. */
static struct {
    long kill_at; /* the call, from 1, before which the process is killed; 0: none */
    bool choppy;  /* interrupted now and then, and short */
    long n_calls, no_space_at;
} fault;

/* Stands in for the C library's, whichever object calls it. */
ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    fault.n_calls++;
    if (fault.n_calls == fault.kill_at)
        kill(getpid(), SIGKILL);
    if (fault.n_calls == fault.no_space_at) {
        errno = ENOSPC;
        return -1;
    }
    if (fault.choppy && fault.n_calls % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    if (fault.choppy && n > 1)
        n = n / 2;
    return syscall(SYS_pwrite64, fd, data, n, offset);
}

/* Nobody pulls the plug here, and disks are slow. */
int fdatasync(int fd)
{
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static bool write_run(const char *path, error *err)
{
    record_plan plan = fixture_plan(N_ROUNDS);
    record *run = record_create(path, true, &plan, err);
    bool good = run != NULL;
    for (size_t round = 0; good && round < N_ADDED; round++)
        good = fixture_add(run, round, err) &&
               (round == 1 || fixture_finish(run, (int64_t)round, err));
    return good && record_close(run, err);
}

/* Killed before the first write, the second, ..., the last: each time what is there is whole. */
static void test_kill_at_every_write(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    size_t n_rounds = 0;
    long n_kills = 0;
    for (bool killed = true; killed; n_kills += killed) {
        int status;
        unlink(path);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            error err = {0};
            fault.n_calls = 0;
            fault.kill_at = n_kills + 1;
            _exit(write_run(path, &err) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed = WIFSIGNALED(status);
        assert_true(killed || WEXITSTATUS(status) == 0);
        if (access(path, F_OK) == 0)
            fixture_check(path, &n_rounds);
    }
    assert_true(n_kills > 100 && n_rounds > 100);
}

static void test_choppy_writes(void **state)
{
    (void)state;
    error err = {0};
    size_t n_rounds = 0;
    const char *path = fixture_path("run.h5");
    record_plan plan = fixture_plan(N_ROUNDS);
    record *run = record_create(path, false, &plan, &err);
    assert_non_null(run);
    fault.choppy = true;
    assert_true(fixture_add(run, 0, &err));
    assert_true(fixture_finish(run, 0, &err));
    assert_true(record_close(run, &err));
    fault.choppy = false;
    fixture_check(path, &n_rounds);
    assert_int_equal(n_rounds, 1);
}

/* The disk is full after all (it may be a compressing one): an error, and what is done stays. */
static void test_full_later(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    record_plan plan = fixture_plan(N_ROUNDS);
    for (long call = 1; call < 60; call++) {
        error err = {0};
        size_t n_rounds = 0;
        record *run = record_create(path, true, &plan, &err);
        assert_non_null(run);
        fault.n_calls = 0;
        fault.no_space_at = call;
        bool good =
            fixture_add(run, 0, &err) && fixture_add(run, 1, &err) && fixture_finish(run, 1, &err);
        fault.no_space_at = 0;
        assert_false(good);
        fixture_expect(&err, ERROR_ENVIRONMENT, path, strerror(ENOSPC));
        err.kind = ERROR_NONE;
        assert_true(record_close(run, &err));
        fixture_check(path, &n_rounds);
        assert_true(n_rounds <= 2);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_kill_at_every_write),
        TEST(test_choppy_writes),
        TEST(test_full_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
