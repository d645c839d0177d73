/* Checkpoints: what was saved is read; the newest torn anywhere, the one before is used. */
#include "record_fixture.h"

#include "record/checkpoint.h"

#include "base/random.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/record/seal.h"

#include <zlib.h>

enum { SEED = 12, N_FUZZ = 200, BLOCK = 4096 };

enum { N_V = 2, N_MEANS = 3, N_VECTORS = 3 };

typedef struct kept {
    float w[N_WEIGHTS], v[N_V * N_WEIGHTS], means[N_MEANS];
} kept;

/* One of the run's, one of each worker's, and one of another length. */
static void list_vectors(const kept *all, checkpoint_vector list[N_VECTORS])
{
    list[0] = (checkpoint_vector){"w", "Weights.", false, N_WEIGHTS, all->w};
    list[1] = (checkpoint_vector){"v", "Momentum.", true, N_WEIGHTS, all->v};
    list[2] = (checkpoint_vector){"means", "Means.", false, N_MEANS, all->means};
}

static checkpoint_vector fixture_vectors[N_VECTORS];
static const checkpoint_plan fixture_kept = {fixture_vectors, N_VECTORS, N_V, "run.h5"};

static void fill(kept *all, size_t round)
{
    fixture_weights((int64_t)round + 10, all->w);
    for (size_t i = 0; i < N_V * N_WEIGHTS; i++)
        all->v[i] = (float)(1000 * round + i);
    for (size_t i = 0; i < N_MEANS; i++)
        all->means[i] = (float)(round + i);
}

static void check_vector(const checkpoint_file *file, const char *name, size_t n_rows, size_t n,
                         const float *wanted)
{
    const checkpoint_values *is = checkpoint_find(file, name);
    assert_non_null(is);
    assert_int_equal(is->n_rows, n_rows);
    assert_int_equal(is->n, n);
    assert_memory_equal(is->values, wanted, n * (n_rows > 0 ? n_rows : 1) * sizeof *wanted);
}

/* A run with checkpoints after its second and its third round. */
static void save_two(const char *path, const char *run_path)
{
    error err = {0};
    float model[N_WEIGHTS];
    kept all = {0};
    list_vectors(&all, fixture_vectors);
    record_plan plan = fixture_plan(N_ROUNDS);
    plan.checkpoint = &fixture_kept;
    checkpoint *saver = checkpoint_new(path, true, &plan, &err);
    plan.checkpoint = NULL;
    record *run = saver ? record_create(run_path, true, &plan, &err) : NULL;
    if (!run)
        fail_msg("%s", err.text);
    for (size_t round = 0; round < 3; round++) {
        assert_true(fixture_add(run, round, &err));
        fill(&all, round);
        fixture_weights((int64_t)round, model);
        checkpoint_state state = {
            {2, 100, 20, -5, 2, 15, 1e9}, fixture_vectors, model, (int64_t)round};
        if (round > 0 &&
            (!checkpoint_take(saver, run, &state, &err) || !checkpoint_publish(saver, &err)))
            fail_msg("%s", err.text);
    }
    checkpoint_free(saver);
    assert_true(record_close(run, &err));
}

static void check(const checkpoint_file *file, size_t n_rounds)
{
    kept all = {0};
    assert_non_null(file);
    assert_int_equal(file->past->n_rounds, n_rounds);
    assert_int_equal(file->past->n_rounds_planned, N_ROUNDS);
    assert_int_equal(file->past->model_round, n_rounds - 1);
    assert_string_equal(file->out, "run.h5");
    assert_int_equal(file->position.n_workers, 2);
    assert_int_equal(file->position.data_checksum, -5);
    assert_int_equal(file->position.signal, 15);
    fill(&all, n_rounds - 1);
    assert_int_equal(file->n_vectors, N_VECTORS);
    check_vector(file, "w", 0, N_WEIGHTS, all.w);
    check_vector(file, "v", N_V, N_WEIGHTS, all.v);
    check_vector(file, "means", 0, N_MEANS, all.means);
    assert_null(checkpoint_find(file, "n_workers"));
    size_t n = 0;
    fixture_check(file->path, &n); /* it is a result file as well */
    assert_int_equal(n, n_rounds);
}

static void test_saved_and_read(void **state)
{
    (void)state;
    error err = {0}, warning = {0};
    const char *path = fixture_path("c.h5");
    save_two(path, fixture_path("run.h5"));
    checkpoint_file *file = checkpoint_read(path, &warning, &err);
    check(file, 3);
    assert_int_equal(warning.kind, ERROR_NONE);
    checkpoint_file_free(file);
    file = checkpoint_read(fixture_path("c.h5.previous"), &warning, &err);
    check(file, 2);
    checkpoint_file_free(file);
}

static char *load(const char *path, size_t *n)
{
    struct stat status;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    *n = (size_t)status.st_size;
    char *bytes = malloc(*n);
    assert_non_null(bytes);
    assert_true(read(fd, bytes, *n) == (ssize_t)*n);
    close(fd);
    return bytes;
}

static void store(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static void expect_previous(const char *path)
{
    error err = {0}, warning = {0};
    checkpoint_file *file = checkpoint_read(path, &warning, &err);
    check(file, 2);
    fixture_expect(&warning, ERROR_USER, path, "c.h5.previous, of round 2");
    checkpoint_file_free(file);
}

/* As a power cut leaves it: cut, a block that never came, or the rest of it from before. */
static void test_torn(void **state)
{
    (void)state;
    size_t n, n_before;
    const char *path = fixture_path("c.h5");
    save_two(path, fixture_path("run.h5"));
    char *bytes = load(path, &n), *before = load(fixture_path("c.h5.previous"), &n_before);
    assert_int_equal(n, n_before);
    char *torn = malloc(n);
    assert_non_null(torn);
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t block = n - at < BLOCK ? n - at : BLOCK;
        store(path, bytes, at);
        expect_previous(path);
        memcpy(torn, bytes, n);
        memset(torn + at, 0, block);
        if (memcmp(torn, bytes, n) != 0) {
            store(path, torn, n);
            expect_previous(path);
        }
        memcpy(torn, bytes, n);
        memcpy(torn + at, before + at, n - at);
        if (at > 0 && memcmp(torn, bytes, n) != 0 && memcmp(torn, before, n) != 0) {
            store(path, torn, n);
            expect_previous(path);
        }
    }
    assert_int_equal(unlink(path), 0);
    expect_previous(path);
    free(torn);
    free(bytes);
    free(before);
}

/* A torn newest must not take the place of the good one. */
static void test_torn_is_not_kept(void **state)
{
    (void)state;
    const char *path = fixture_path("c.h5");
    error err = {0}, warning = {0};
    save_two(path, fixture_path("run.h5"));
    assert_int_equal(truncate(path, BLOCK), 0);
    record_plan plan = fixture_plan(N_ROUNDS);
    plan.checkpoint = &fixture_kept;
    checkpoint *saver = checkpoint_new(path, true, &plan, &err);
    plan.checkpoint = NULL;
    record *run = record_create(fixture_path("other.h5"), false, &plan, &err);
    kept all = {0};
    list_vectors(&all, fixture_vectors);
    assert_true(run && saver && fixture_add(run, 0, &err));
    checkpoint_state now = {{2, 100, 20, -5, 2, 0, 1e9}, fixture_vectors, all.w, 0};
    assert_true(checkpoint_take(saver, run, &now, &err) && checkpoint_publish(saver, &err));
    checkpoint_free(saver);
    assert_true(record_close(run, &err));
    checkpoint_file *file = checkpoint_read(fixture_path("c.h5.previous"), &warning, &err);
    check(file, 2);
    checkpoint_file_free(file);
    file = checkpoint_read(path, &warning, &err);
    assert_int_equal(file->past->n_rounds, 1);
    checkpoint_file_free(file);
}

static void test_neither(void **state)
{
    (void)state;
    error err = {0}, warning = {0};
    const char *path = fixture_path("c.h5");
    assert_null(checkpoint_read(path, &warning, &err));
    fixture_expect(&err, ERROR_USER, path, "No such file");
    save_two(path, fixture_path("run.h5"));
    assert_int_equal(truncate(path, BLOCK), 0);
    assert_int_equal(truncate(fixture_path("c.h5.previous"), BLOCK - 1), 0);
    err = (error){0};
    assert_null(checkpoint_read(path, &warning, &err));
    fixture_expect(&err, ERROR_USER, "no whole checkpoint; nor can", "c.h5.previous: is no whole");
    err = (error){0};
    assert_null(checkpoint_read(fixture_path("run.h5"), &warning, &err)); /* a result file */
    fixture_expect(&err, ERROR_USER, "run.h5", "no whole checkpoint");
    err = (error){0};
    assert_null(checkpoint_read(fixture_folder, &warning, &err));
    fixture_expect(&err, ERROR_USER, fixture_folder, "no regular file");
    assert_int_equal(mkfifo(fixture_path("fifo"), 0600), 0);
    err = (error){0};
    assert_null(checkpoint_read(fixture_path("fifo"), &warning, &err));
    fixture_expect(&err, ERROR_USER, "fifo", "no regular file");
}

static void seal_anew(char *bytes, size_t n)
{
    seal end = {.mark = SEAL_MARK, .n_bytes = n - sizeof end};
    end.crc = crc32(crc32(0, NULL, 0), (const Bytef *)bytes, (uInt)(n - sizeof end));
    memcpy(bytes + n - sizeof end, &end, sizeof end);
}

/* Spoilt by somebody who can count: the seal is right.  In a child, as the library may fail. */
static void test_spoilt(void **state)
{
    (void)state;
    size_t n;
    const char *path = fixture_path("c.h5");
    save_two(path, fixture_path("run.h5"));
    assert_int_equal(unlink(fixture_path("c.h5.previous")), 0);
    char *bytes = load(path, &n), *spoilt = malloc(n);
    assert_non_null(spoilt);
    for (uint64_t k = 0; k < N_FUZZ; k++) {
        memcpy(spoilt, bytes, n);
        uint64_t stream = random_stream(RANDOM_TEST, 2, (uint32_t)k);
        for (uint64_t i = 0; i < 1 + k % 8; i++)
            spoilt[random_below(SEED, stream, 2 * i, n)] =
                (char)random_u64(SEED, stream, 2 * i + 1);
        seal_anew(spoilt, n);
        store(path, spoilt, n);
        pid_t child = fork();
        if (child == 0) {
            error err = {0}, warning = {0};
            alarm(20);
            checkpoint_file *file = checkpoint_read(path, &warning, &err);
            bool good = (file != NULL) == (err.kind == ERROR_NONE) && err.kind != ERROR_ENVIRONMENT;
            checkpoint_file_free(file);
            _exit(good ? 0 : 1);
        }
        int status = 0;
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("number %llu: status %d", (unsigned long long)k, status);
    }
    free(spoilt);
    free(bytes);
}

static void test_place(void **state)
{
    (void)state;
    error err = {0};
    record_plan plan = fixture_plan(N_ROUNDS);
    plan.checkpoint = &fixture_kept;
    save_two(fixture_path("c.h5"), fixture_path("run.h5"));
    assert_null(checkpoint_new(fixture_path("c.h5"), false, &plan, &err));
    fixture_expect(&err, ERROR_USER, "c.h5: exists", "another --checkpoint");
    err = (error){0};
    assert_null(checkpoint_new(fixture_path("none/c.h5"), false, &plan, &err));
    fixture_expect(&err, ERROR_USER, "no such folder", "another --checkpoint");
    err = (error){0};
    assert_null(checkpoint_new(fixture_folder, true, &plan, &err));
    fixture_expect(&err, ERROR_USER, fixture_folder, "no regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_saved_and_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_torn, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_torn_is_not_kept, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_neither, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_spoilt, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_place, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
