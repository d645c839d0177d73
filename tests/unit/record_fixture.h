/*
 * record_fixture.h - a small plan, rows whose every number is known, a folder that goes away again
 */
#ifndef BRAMBLE_TESTS_RECORD_FIXTURE_H
#define BRAMBLE_TESTS_RECORD_FIXTURE_H

#include "base/memory.h"
#include "record/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_ROUNDS = 5, N_RANKS = 3, N_CLASSES = 3, N_TENSORS = 3, N_WEIGHTS = 38 };

static const tensor fixture_tensors[N_TENSORS] = {
    {"conv1.weight", 4, {2, 3, 2, 2}, 0, 24, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, "f4"},
    {"conv1.bias", 1, {2}, 24, 2, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""},
    {"fc.weight", 2, {3, 4}, 26, 12, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""},
};
#define LONG_NAME "a name of more than 31 bytes, and of more than 63, of which it is cut"
static const char *const fixture_classes[N_CLASSES] = {"cat", "dog", LONG_NAME};
static const record_pair fixture_config[] = {{"rounds", "5"},
                                             {"out", "a file; \"quoted\"\n\xc3\xa9"},
                                             {"average", "reduce"},
                                             {"comment", ""}};
static const record_pair fixture_build[] = {{"version", "0.1"}, {"flags", "-O3"}};
static const record_machine fixture_machines[N_RANKS] = {
    {0, 1, 4, 1, 0, 1, "head", "A processor", "0-3", "neon", 4e9, 1500.0, 1.5},
    {1, 4, 4, 0, 1, 1, "node1", "A processor", "0-3", "neon", 4e9, 1500.0, 0.25},
    {2, 3, 4, 0, 1, 0, "node2", "A processor", "0-2", "neon", 8e9, 1800.0, 4.0}};

static inline record_plan fixture_plan(size_t n_rounds)
{
    record_plan plan = {.n_rounds = n_rounds,
                        .n_ranks = N_RANKS,
                        .tensors = fixture_tensors,
                        .n_tensors = N_TENSORS,
                        .n_weights = N_WEIGHTS,
                        .n_classes = N_CLASSES,
                        .class_names = fixture_classes,
                        .config = fixture_config,
                        .n_config = sizeof fixture_config / sizeof *fixture_config,
                        .build = fixture_build,
                        .n_build = sizeof fixture_build / sizeof *fixture_build,
                        .machines = fixture_machines,
                        .model_text = "[model]\nname = small\n"};
    return plan;
}

/* Fill a struct that consists of doubles: start, start + 1, ... */
static inline void fixture_count(void *row, size_t n_bytes, double start)
{
    for (size_t i = 0; i < n_bytes / sizeof(double); i++) {
        double value = start + (double)i;
        memcpy((char *)row + i * sizeof value, &value, sizeof value);
    }
}

static inline void fixture_rows(size_t round, record_round *row, record_rank ranks[N_RANKS],
                                record_test *test)
{
    double start = 1000.0 * (double)(round + 1);
    fixture_count(row, sizeof *row, start);
    fixture_count(test, sizeof *test, start + 50);
    for (size_t i = 0; i < N_RANKS; i++)
        fixture_count(&ranks[i], sizeof ranks[i], start + 100.0 * (double)(i + 1));
}

static inline void fixture_weights(int64_t round, float w[N_WEIGHTS])
{
    for (size_t i = 0; i < N_WEIGHTS; i++)
        w[i] = (float)(100 * (round + 2)) + (float)i;
}

static inline bool fixture_add(record *run, size_t round, error *err)
{
    record_round row;
    record_rank ranks[N_RANKS];
    record_test test;
    fixture_rows(round, &row, ranks, &test);
    return record_add_round(run, round, &row, ranks, err) &&
           record_add_test(run, round, &test, err);
}

static inline bool fixture_finish(record *run, int64_t last_round, error *err)
{
    float w[N_WEIGHTS];
    int64_t confusion[N_CLASSES * N_CLASSES];
    record_summary summary;
    fixture_weights(last_round, w);
    for (int i = 0; i < N_CLASSES * N_CLASSES; i++)
        confusion[i] = 7 * i;
    fixture_count(&summary, sizeof summary, 1);
    summary.complete = 1;
    return record_add_weights(run, last_round, w, err) &&
           record_add_confusion(run, confusion, err) && record_add_summary(run, &summary, err);
}

/* A finished run of N_ROUNDS rounds. */
static inline void fixture_file(const char *path)
{
    error err = {0};
    record_plan plan = fixture_plan(N_ROUNDS);
    record *run = record_create(path, true, &plan, &err);
    if (!run)
        fail_msg("%s", err.text);
    for (size_t round = 0; round < N_ROUNDS; round++)
        assert_true(fixture_add(run, round, &err));
    assert_true(fixture_finish(run, N_ROUNDS - 1, &err));
    assert_true(record_close(run, &err));
}

/* ---- a folder per test ----------------------------------------------------------------------- */

static char fixture_folder[64];

static inline int fixture_setup(void **state)
{
    (void)state;
    strcpy(fixture_folder, "/tmp/bramble_record_XXXXXX");
    return mkdtemp(fixture_folder) ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_folder);
    return system(command);
}

/* A path in the folder; good for the next 31 calls. */
static inline const char *fixture_path(const char *name)
{
    static char paths[32][512];
    static int turn;
    char *path = paths[turn++ % 32];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_folder, name);
    return path;
}

/* Rows 0 to n_rounds - 1 are those of the fixture, to the bit. */
static inline void fixture_check_rows(const record_file *file)
{
    for (size_t round = 0; round < file->n_rounds; round++) {
        record_round row;
        record_rank ranks[N_RANKS];
        record_test test;
        fixture_rows(round, &row, ranks, &test);
        assert_memory_equal(&file->rounds[round], &row, sizeof row);
        assert_memory_equal(&file->ranks[round * N_RANKS], ranks, sizeof ranks);
    }
}

/* What stands at path is a result file, whole as far as it says; adds its rounds to *n_rounds. */
static inline void fixture_check(const char *path, size_t *n_rounds)
{
    error err = {0};
    record_file *file = record_read(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    fixture_check_rows(file);
    float w[N_WEIGHTS], wanted[N_WEIGHTS];
    bool whole = record_read_weights(path, fixture_tensors, N_TENSORS, w, &err);
    assert_true(whole == (file->model_round != RECORD_NO_MODEL));
    fixture_weights(file->model_round, wanted);
    if (whole)
        assert_memory_equal(w, wanted, sizeof w);
    *n_rounds += file->n_rounds;
    record_file_free(file);
}

/* The failure is of that kind, in one line, and says each of two things. */
static inline void fixture_expect(const error *err, enum error_kind kind, const char *says,
                                  const char *and_says)
{
    if (err->kind != kind || !strstr(err->text, says) || !strstr(err->text, and_says) ||
        strchr(err->text, '\n'))
        fail_msg("expected kind %d, '%s', '%s'; got kind %d: %s", (int)kind, says, and_says,
                 (int)err->kind, err->text);
}

/* record_read refuses path, and says why. */
static inline void fixture_unreadable(const char *path, const char *says)
{
    error err = {0};
    record_file *file = record_read(path, &err);
    if (file)
        fail_msg("%s was read; expected: %s", path, says);
    fixture_expect(&err, ERROR_USER, path, says);
}

#endif
