/* INI text and files. */
#include "base/ini.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct heard {
    char text[2000];
    int refuse_line;
} heard;

static bool hear(void *user, int line, const char *section, const char *name, const char *value,
                 error *err)
{
    heard *self = user;
    size_t used = strlen(self->text);
    snprintf(self->text + used, sizeof self->text - used, "%d[%s]%s=%s|", line, section, name,
             value);
    return line != self->refuse_line || error_user(err, "not here");
}

static void test_ini(void **state)
{
    (void)state;
    heard h = {.text = ""};
    error err = {0};
    assert_true(ini_parse_text("f.ini",
                               "a = 1\n"
                               "; remark\n"
                               "# remark\n"
                               "[one]\r\n"
                               "b: two words ; remark\r\n"
                               "  c=3;4\n"
                               "\td = \n"
                               "[two]\n"
                               "a = x = y",
                               hear, &h, &err));
    assert_string_equal(h.text, "1[]a=1|5[one]b=two words|6[one]c=3;4|7[one]d=|9[two]a=x = y|");
    assert_int_equal(err.kind, ERROR_NONE);
    assert_true(ini_parse_text("f.ini", "", hear, &h, &err));
}

static void test_ini_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        int refuse_line;
    } cases[] = {
        {"a = 1\nb\n", "f.ini:2: expected [section]", 0},
        {"[a\nb = 1\n", "f.ini:1: expected [section]", 0},
        {"a = 1\nb = 2\nc = 3\n", "f.ini:2: not here", 2},
        /* Whatever comes first counts. */
        {"a = 1\nb = 2\nc\n", "f.ini:2: not here", 2},
        {"a\nb = 2\n", "f.ini:1: expected [section]", 2},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        error err = {0};
        heard h = {.refuse_line = cases[k].refuse_line};
        assert_false(ini_parse_text("f.ini", cases[k].text, hear, &h, &err));
        assert_int_equal(err.kind, ERROR_USER);
        if (strncmp(err.text, cases[k].want, strlen(cases[k].want)) != 0)
            fail_msg("expected %s, got %s", cases[k].want, err.text);
        assert_false(ini_parse_text("f.ini", cases[k].text, hear, &h, NULL));
    }
}

/* Up to a length a line is taken whole; beyond, refused; never cut. */
static void test_ini_long_lines(void **state)
{
    (void)state;
    int n_taken = 0;
    for (size_t n = 5; n < 1000; n++) {
        char text[1100];
        heard h = {.text = ""};
        error err = {0};
        memset(text, 'x', n);
        memcpy(text, "a=", 2);
        memcpy(text + n, "\nb=2\n", 6);
        if (ini_parse_text("f.ini", text, hear, &h, &err)) {
            assert_int_equal(strlen(h.text), strlen("1[]|2[]b=2|") + n);
            n_taken++;
        } else {
            assert_int_equal(strncmp(err.text, "f.ini:1: the line is too long", 29), 0);
            assert_string_equal(h.text, "");
        }
    }
    assert_true(n_taken > 100 && n_taken < 990);
}

static void expect_unreadable(const char *path, const char *part)
{
    error err = {0};
    assert_null(ini_read_file(path, &err));
    assert_int_equal(err.kind, ERROR_USER);
    if (strncmp(err.text, path, strlen(path)) != 0 || !strstr(err.text, part))
        fail_msg("expected %s ... %s, got %s", path, part, err.text);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_ini_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/bramble-test-XXXXXX", path[64];
    error err = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.ini", folder);
    expect_unreadable(path, "cannot be opened");
    expect_unreadable(folder, "folder");
    write_file(path, "a = 1\n", 6);
    char *text = ini_read_file(path, &err);
    assert_non_null(text);
    assert_string_equal(text, "a = 1\n");
    memory_free(text);
    write_file(path, "", 0);
    text = ini_read_file(path, &err);
    assert_string_equal(text, "");
    memory_free(text);
    write_file(path, "a\0b", 3);
    expect_unreadable(path, "NUL");
    char *large = memory_new(INI_TEXT_MAX_BYTES + 1, 1, NULL);
    memset(large, '\n', INI_TEXT_MAX_BYTES + 1);
    write_file(path, large, INI_TEXT_MAX_BYTES);
    text = ini_read_file(path, &err);
    assert_int_equal(strlen(text), INI_TEXT_MAX_BYTES);
    memory_free(text);
    write_file(path, large, INI_TEXT_MAX_BYTES + 1);
    expect_unreadable(path, "larger than");
    memory_free(large);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ini),
        cmocka_unit_test(test_ini_wrong),
        cmocka_unit_test(test_ini_long_lines),
        cmocka_unit_test(test_ini_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
