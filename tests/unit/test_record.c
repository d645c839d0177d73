/* The result file as it is made and written: its contents and its name. */
#include "record_fixture.h"

#include "record/summary.h"

#include <dirent.h>
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

static size_t count_entries(const char *folder)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static record *create(const char *path, bool force, size_t n_rounds, error *err)
{
    record_plan plan = fixture_plan(n_rounds);
    return record_create(path, force, &plan, err);
}

/* ---- contents -------------------------------------------------------------------------------- */

static void check_pairs(const record_pair *pairs, size_t n, const record_pair *wanted,
                        size_t n_wanted)
{
    assert_int_equal(n, n_wanted);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(pairs[i].name, wanted[i].name);
        assert_string_equal(pairs[i].value, wanted[i].value);
    }
}

static void check_model(const record_file *file, const char *path)
{
    error err = {0};
    float w[N_WEIGHTS], wanted[N_WEIGHTS];
    assert_int_equal(file->n_tensors, N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        assert_string_equal(file->tensors[i].name, fixture_tensors[i].name);
        assert_string_equal(file->tensors[i].algorithm, fixture_tensors[i].algorithm);
        assert_int_equal(file->tensors[i].n_dims, fixture_tensors[i].n_dims);
        assert_int_equal(file->tensors[i].offset, fixture_tensors[i].offset);
        assert_int_equal(file->tensors[i].count, fixture_tensors[i].count);
        for (int d = 0; d < fixture_tensors[i].n_dims; d++)
            assert_int_equal(file->tensors[i].dims[d], fixture_tensors[i].dims[d]);
    }
    assert_int_equal(file->model_round, N_ROUNDS - 1);
    assert_true(record_read_weights(path, fixture_tensors, N_TENSORS, w, &err));
    fixture_weights(N_ROUNDS - 1, wanted);
    assert_memory_equal(w, wanted, sizeof w);
}

static void test_round_trip(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    fixture_file(path);
    assert_int_equal(count_entries(fixture_folder), 1);
    record_file *file = record_read(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    assert_int_equal(file->n_rounds_planned, N_ROUNDS);
    assert_int_equal(file->n_rounds, N_ROUNDS);
    assert_int_equal(file->n_ranks, N_RANKS);
    fixture_check_rows(file);
    for (size_t round = 0; round < N_ROUNDS; round++)
        assert_true(file->tests[round].accuracy == file->rounds[round].t_end_s + 51);
    assert_memory_equal(file->machines, fixture_machines, sizeof fixture_machines);
    check_pairs(file->config, file->n_config, fixture_config, 4);
    check_pairs(file->build, file->n_build, fixture_build, 2);
    assert_string_equal(record_config(file, "average"), "reduce");
    assert_null(record_config(file, "averag"));
    assert_int_equal(file->n_classes, N_CLASSES);
    assert_string_equal(file->class_names[1], "dog");
    assert_string_equal(file->class_names[2],
                        "a name of more than 31 bytes, and of more than 63, of which it ");
    assert_int_equal(file->confusion[8], 56);
    assert_string_equal(file->model_text, "[model]\nname = small\n");
    record_summary summary;
    fixture_count(&summary, sizeof summary, 1);
    summary.complete = 1;
    assert_memory_equal(&file->summary, &summary, sizeof summary);
    check_model(file, path);
    record_file_free(file);
}

/* The columns of phases are named after phase_name. */
static void test_phases(void **state)
{
    (void)state;
    const char *path = fixture_path("run.h5");
    fixture_file(path);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    for (int phase = 0; phase < PHASE_COUNT; phase++) {
        char name[64];
        double values[N_ROUNDS][N_RANKS];
        snprintf(name, sizeof name, "/rounds/ranks/%s_s", phase_name((enum phase)phase));
        hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
        assert_true(dataset >= 0);
        assert_true(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >=
                    0);
        assert_true(values[2][1] == 3200.0 + phase);
        assert_true(H5Dclose(dataset) >= 0);
    }
    assert_true(H5Fclose(file) >= 0);
}

/* What a watcher reads is the same; and it can tell whether the run goes on. */
static void test_rounds_alone(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    record *run = create(path, false, N_ROUNDS, &err);
    assert_non_null(run);
    for (size_t n = 0; n <= N_ROUNDS; n++) {
        record_file *file = record_read_rounds(path, &err), *whole = record_read(path, &err);
        if (!file || !whole)
            fail_msg("%s", err.text);
        assert_int_equal(file->n_rounds, n);
        assert_int_equal(file->n_rounds_planned, N_ROUNDS);
        assert_memory_equal(file->rounds, whole->rounds, n * sizeof *file->rounds);
        assert_memory_equal(file->tests, whole->tests, n * sizeof *file->tests);
        assert_memory_equal(&file->summary, &whole->summary, sizeof file->summary);
        assert_null(file->ranks);
        record_file_free(file);
        record_file_free(whole);
        assert_true(record_is_written(path));
        assert_true(n == N_ROUNDS || fixture_add(run, n, &err));
    }
    assert_true(record_close(run, &err));
    assert_false(record_is_written(path));
    assert_false(record_is_written(fixture_path("nowhere.h5")));
    assert_null(record_read_rounds(fixture_path("nowhere.h5"), &err));
    fixture_expect(&err, ERROR_USER, "nowhere.h5", "No such file");
}

/* While a run goes on, after it was left, and with the end missing: what is done can be read. */
static void test_unfinished(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    float w[N_WEIGHTS];
    record *run = create(path, false, N_ROUNDS, &err);
    assert_non_null(run);
    for (size_t n = 0; n < 4; n++) {
        record_file *file = record_read(path, &err);
        if (!file)
            fail_msg("%s", err.text);
        assert_int_equal(file->n_rounds, n);
        assert_int_equal(file->n_rounds_planned, N_ROUNDS);
        assert_int_equal(file->model_round, RECORD_NO_MODEL);
        assert_int_equal(file->confusion[0], -1);
        assert_true(file->summary.complete == 0 && isnan(file->summary.t_time_s));
        fixture_check_rows(file);
        record_file_free(file);
        assert_true(fixture_add(run, n, &err));
    }
    assert_true(fixture_add(run, 1, &err)); /* again: counts nothing */
    assert_false(record_read_weights(path, fixture_tensors, N_TENSORS, w, &err));
    fixture_expect(&err, ERROR_USER, "run.h5", "no whole model");
    err.kind = ERROR_NONE;
    fixture_weights(-1, w);
    assert_true(record_add_weights(run, -1, w, &err)); /* the initial ones */
    assert_true(record_read_weights(path, fixture_tensors, N_TENSORS, w, &err));
    assert_true(record_close(run, &err));
    assert_true(record_close(NULL, &err));
    record_file *file = record_read(path, &err);
    assert_non_null(file);
    assert_int_equal(file->n_rounds, 4);
    assert_true(isnan(file->summary.accuracy));
    record_file_free(file);
}

/* An option may be longer than HDF5 lets small attributes be. */
static void test_long_option(void **state)
{
    (void)state;
    static char value[100000];
    error err = {0};
    const char *path = fixture_path("run.h5");
    const record_pair pairs[] = {{"b", "1"}, {"shards", value}, {"a", "2"}};
    memset(value, '7', sizeof value - 1);
    record_plan plan = fixture_plan(N_ROUNDS);
    plan.config = pairs;
    plan.n_config = 3;
    record *run = record_create(path, false, &plan, &err);
    if (!run)
        fail_msg("%s", err.text);
    assert_true(record_close(run, &err));
    record_file *file = record_read(path, &err);
    assert_non_null(file);
    check_pairs(file->config, file->n_config, pairs, 3);
    record_file_free(file);
}

static void test_same_bytes(void **state)
{
    (void)state;
    char command[300];
    fixture_file(fixture_path("a.h5"));
    fixture_file(fixture_path("b.h5"));
    snprintf(command, sizeof command, "cmp %s/a.h5 %s/b.h5", fixture_folder, fixture_folder);
    assert_int_equal(system(command), 0);
}

/* ---- its name -------------------------------------------------------------------------------- */

static void expect_refused(const char *path, bool force, enum error_kind kind, const char *says)
{
    error err = {0};
    assert_false(record_check_new(path, force, &err));
    fixture_expect(&err, kind, path, says);
    err = (error){0};
    assert_null(create(path, force, N_ROUNDS, &err));
    fixture_expect(&err, kind, path, says);
}

static void test_names(void **state)
{
    (void)state;
    error err = {0};
    char long_name[400];
    const char *path = fixture_path("run.h5");
    assert_true(record_check_new(path, false, &err));
    assert_int_equal(count_entries(fixture_folder), 0);
    expect_refused("", false, ERROR_USER, "no file name");
    expect_refused(fixture_path(""), false, ERROR_USER, "no file name");
    expect_refused(fixture_path(".."), true, ERROR_USER, "no file name");
    expect_refused(fixture_path("none/run.h5"), false, ERROR_USER, "no such folder");
    assert_int_equal(mkdir(fixture_path("dir"), 0777), 0);
    expect_refused(fixture_path("dir"), true, ERROR_USER, "no regular file");
    assert_int_equal(symlink("nowhere", fixture_path("link")), 0);
    expect_refused(fixture_path("link"), false, ERROR_USER, "no regular file");
    expect_refused(fixture_path("link"), true, ERROR_USER, "no regular file");
    snprintf(long_name, sizeof long_name, "%s/%0300d", fixture_folder, 1);
    assert_false(record_check_new(long_name, false, &err));
    fixture_expect(&err, ERROR_USER, "too long", "--out");
    snprintf(long_name, sizeof long_name, "%s/%0255d", fixture_folder, 1);
    fixture_file(long_name); /* the longest there is */
    fixture_file(path);
    expect_refused(fixture_path("run.h5/x.h5"), false, ERROR_USER, "no such folder");
    assert_int_equal(count_entries(fixture_folder), 4);
}

static void test_force(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    struct stat before, after;
    fixture_file(path);
    assert_int_equal(stat(path, &before), 0);
    expect_refused(path, false, ERROR_USER, "exists; choose another --out or add --force");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_true(record_check_new(path, true, &err));
    record *running = create(path, true, N_ROUNDS, &err);
    assert_non_null(running);
    expect_refused(path, true, ERROR_USER, "a run is writing it");
    assert_true(fixture_add(running, 0, &err));
    /* Somebody reading it is no run. */
    assert_true(record_close(running, &err));
    hid_t reader = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(reader >= 0);
    assert_true(record_check_new(path, true, &err));
    assert_true(H5Fclose(reader) >= 0);
    assert_int_equal(count_entries(fixture_folder), 1);
}

/* Readers may open the file of a run through HDF5, writers may not. */
static void test_other_programs(void **state)
{
    (void)state;
    error err = {0};
    const char *path = fixture_path("run.h5");
    record *run = create(path, false, N_ROUNDS, &err);
    assert_non_null(run);
    hid_t reader = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(reader >= 0);
    assert_true(H5Fclose(reader) >= 0);
    reader = H5Fopen(path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, H5P_DEFAULT);
    assert_true(reader >= 0);
    assert_true(H5Fclose(reader) >= 0);
    hid_t writer = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(writer < 0);
    assert_true(record_close(run, &err));
}

/* Exit status of a child that creates path: 0, or the kind of its error. */
static pid_t start_creator(const char *path, const int gate[2])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    char byte;
    error err = {0};
    close(gate[1]);
    if (read(gate[0], &byte, 1) != 0) /* until the parent has closed it too */
        _exit(9);
    record *run = create(path, false, N_ROUNDS, &err);
    _exit(run && record_close(run, &err) ? 0 : (int)err.kind);
}

static void test_race(void **state)
{
    enum { N = 6 };
    (void)state;
    const char *path = fixture_path("run.h5");
    pid_t pids[N];
    int gate[2], n_won = 0, n_refused = 0;
    assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
    for (int i = 0; i < N; i++)
        pids[i] = start_creator(path, gate);
    close(gate[1]);
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        n_won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
        n_refused += WIFEXITED(status) && WEXITSTATUS(status) == ERROR_USER;
    }
    close(gate[0]);
    assert_int_equal(n_won, 1);
    assert_int_equal(n_refused, N - 1);
    assert_int_equal(count_entries(fixture_folder), 1);
}

/* ---- a writer for the tests of other readers ------------------------------------------------- */

/* Adds a round for every line on stdin and says so, ends the run at the end of the input. */
static int write_on_demand(const char *path)
{
    error err = {0};
    char line[16];
    size_t round = 0;
    record *run = create(path, false, N_ROUNDS, &err);
    bool good = run != NULL;
    printf("created\n");
    fflush(stdout);
    while (good && fgets(line, sizeof line, stdin) && round < N_ROUNDS) {
        good = fixture_add(run, round++, &err);
        printf("%zu\n", round);
        fflush(stdout);
    }
    good = good && fixture_finish(run, (int64_t)round - 1, &err);
    good = record_close(run, &err) && good;
    if (!good)
        error_print(&err);
    return good ? 0 : 1;
}

/* Each list has every number that is in it once, in order of place; the file has all. */
static void test_summary_lists(void **state)
{
    (void)state;
    for (int list = 0; list < SUMMARY_LISTS; list++) {
        size_t wanted = 0, n = 0, past = 0;
        for (size_t k = 0; k < SUMMARY_COUNT; k++)
            wanted += summary_numbers[k].at[list] > 0;
        for (const summary_number *one = NULL; (one = summary_next((enum summary_list)list, one));
             n++) {
            size_t place = 100 * (size_t)one->at[list] + (size_t)(one - summary_numbers);
            assert_true(place > past);
            past = place;
        }
        assert_true(wanted > 0);
        assert_int_equal(n, wanted);
    }
    record_summary summary;
    for (size_t k = 0; k < SUMMARY_COUNT; k++)
        *summary_member(&summary_numbers[k], &summary) = (double)k;
    for (size_t k = 0; k < SUMMARY_COUNT; k++) /* no two have one member */
        assert_true(summary_value(&summary_numbers[k], &summary) == (double)k);
    assert_true(summary_show(&summary_numbers[0], 0.25, 2.0) == 0.25);
    for (const summary_number *one = NULL; (one = summary_next(SUMMARY_PARTS, one));)
        if (SUMMARY_IS(one, o_wire_s))
            assert_true(summary_show(one, 0.5, 2.0) == 25.0);
}

int main(void)
{
    const char *path = getenv("BRAMBLE_TEST_WRITER");
    if (path)
        return write_on_demand(path);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_summary_lists),
        TEST(test_round_trip),
        TEST(test_phases),
        TEST(test_unfinished),
        TEST(test_long_option),
        TEST(test_same_bytes),
        TEST(test_names),
        TEST(test_force),
        TEST(test_other_programs),
        TEST(test_race),
        TEST(test_rounds_alone),
    };
    /* What the tests provoke on purpose need not be seen. */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
