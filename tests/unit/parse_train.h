/*
 * parse_train.h - what the tests of the command line share: `bramble train` parsed from one string
 */
#ifndef BRAMBLE_TESTS_PARSE_TRAIN_H
#define BRAMBLE_TESTS_PARSE_TRAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "options/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32 };

static train_options options;        /* of the last parse */
static const char *config_text = ""; /* what run.ini, the only --config file, holds */
static int n_reads;

static inline char *read_config(const char *path, error *err)
{
    n_reads++;
    if (strcmp(path, "run.ini") != 0) {
        error_user(err, "%s: cannot be opened", path);
        return NULL;
    }
    char *text = memory_new(strlen(config_text) + 1, 1, err);
    assert_non_null(text);
    return strcpy(text, config_text);
}

/* A command line in one string, words separated by single blanks. */
static inline int split(char *line, char **words)
{
    int n = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_true(n < WORDS_MAX);
        words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

static inline enum parse_outcome parse_into(train_options *into, const char *text, error *err)
{
    char line[16384], *words[WORDS_MAX + 1];
    snprintf(line, sizeof line, "train %s", text);
    int n = split(line, words);
    static option_line read;
    enum parse_outcome outcome =
        option_read_line(option_command_find("train"), n, words, false, &read, err);
    if (outcome != PARSE_RUN)
        return outcome;
    const char *path = options_config(&read);
    char *config = path ? read_config(path, err) : NULL;
    bool good = (!path || config) && options_set_train(&read, config, into, err);
    memory_free(config);
    return good ? PARSE_RUN : PARSE_FAILED;
}

static inline const train_options *parse(const char *text)
{
    error err = {0};
    enum parse_outcome outcome = parse_into(&options, text, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(outcome, PARSE_RUN);
    return &options;
}

static inline void assert_refused(const char *text, const char *message)
{
    error err = {0};
    assert_int_equal(parse_into(&options, text, &err), PARSE_FAILED);
    assert_int_equal(err.kind, ERROR_USER);
    assert_string_equal(err.text, message);
}

#endif
