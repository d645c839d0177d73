/* Settings of layers: whole numbers, real ones, words; and the lines for what is none of them. */
#include "layers/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

/* A layer with `x = text` in line 7. */
static layer with(const char *text)
{
    layer l = {.kind = layer_kind_find("relu"), .line = 5, .n_settings = 1};
    layer_setting *s = &l.settings[0];
    snprintf(s->name, sizeof s->name, "x");
    snprintf(s->text, sizeof s->text, "%s", text);
    s->line = 7;
    return l;
}

static void expect_refusal(const layer *l, const error *err, bool good, const char *part)
{
    if (good || err->kind != ERROR_USER || !strstr(err->text, part))
        fail_msg("expected %s, got %s", part, err->text);
    assert_int_equal(l->line, strstr(err->text, "needs") ? 5 : 7);
}

static void test_real(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0.5", 0.5},     {"1", 1.0},   {"-2", -2.0},    {".25", 0.25},
                {"1e-12", 1e-12}, {"+3.", 3.0}, {"2.5E+0", 2.5}, {"-0", 0.0}};
    static const char *const bad[] = {"nan",   "inf",  "-inf", "0x1p1", "",    "1e999",
                                      "4.5",   "-2.1", "half", "1,5",   "1 2", "1e",
                                      "1e-1x", "--1",  ".",    "e1"};
    error err = {0};
    double value;
    for (int k = 0; k < COUNT(good); k++) {
        layer l = with(good[k].text);
        assert_true(layer_setting_get_real(&l, "x", 9.0, -2.0, 4.0, &value, &err));
        assert_true(value == good[k].value);
    }
    for (int k = 0; k < COUNT(bad); k++) {
        layer l = with(bad[k]);
        char part[80];
        snprintf(part, sizeof part, "x = %s: expected a number from -2 to 4", bad[k]);
        err = (error){0};
        expect_refusal(&l, &err, layer_setting_get_real(&l, "x", 0.0, -2.0, 4.0, &value, &err),
                       part);
    }
    layer l = with("1");
    assert_true(layer_setting_get_real(&l, "y", 0.25, 0.0, 4.0, &value, NULL) && value == 0.25);
    err = (error){0};
    expect_refusal(&l, &err, layer_setting_get_real(&l, "y", -1.0, 0.0, 4.0, &value, &err),
                   "a relu layer needs `y = ...`: a number from 0 to 4");
}

static void test_word(void **state)
{
    (void)state;
    static const char *const words[] = {"erf", "tanh", NULL};
    error err = {0};
    int index;
    bool yes;
    layer l = with("tanh");
    assert_true(layer_setting_get_word(&l, "x", words, 0, &index, &err) && index == 1);
    assert_true(layer_setting_get_word(&l, "y", words, 0, &index, &err) && index == 0);
    expect_refusal(&l, &err, layer_setting_get_word(&l, "y", words, -1, &index, &err),
                   "a relu layer needs `y = ...`: one of erf, tanh");
    static const char *const bad[] = {"", "er", "erff", "ERF", "0", "erf, tanh"};
    for (int k = 0; k < COUNT(bad); k++) {
        err = (error){0};
        l = with(bad[k]);
        expect_refusal(&l, &err, layer_setting_get_word(&l, "x", words, 0, &index, &err),
                       ": expected one of erf, tanh");
    }
    l = with("no");
    assert_true(layer_setting_get_yes(&l, "x", true, &yes, NULL) && !yes);
    assert_true(layer_setting_get_yes(&l, "y", true, &yes, NULL) && yes);
    l = with("yes");
    assert_true(layer_setting_get_yes(&l, "x", false, &yes, NULL) && yes);
    l = with("true");
    err = (error){0};
    expect_refusal(&l, &err, layer_setting_get_yes(&l, "x", false, &yes, &err), "one of no, yes");
}

/* A number, or a word that stands for the one below the least. */
static void test_number_or_word(void **state)
{
    (void)state;
    const layer_number what = {.name = "x", .word = "same", .fallback = 2, .low = 0, .high = 4};
    const layer_number other = {.name = "y", .word = "same", .fallback = -1, .low = 0, .high = 4};
    error err = {0};
    long value;
    layer l = with("same");
    assert_true(layer_setting_get_or(&l, &what, &value, &err) && value == -1);
    assert_true(layer_setting_get_or(&l, &other, &value, &err) && value == -1);
    l = with("4");
    assert_true(layer_setting_get_or(&l, &what, &value, &err) && value == 4);
    static const char *const bad[] = {"5", "-1", "sam", "0.5", "99999999999999999999"};
    for (int k = 0; k < COUNT(bad); k++) {
        err = (error){0};
        l = with(bad[k]);
        expect_refusal(&l, &err, layer_setting_get_or(&l, &what, &value, &err),
                       "expected a whole number from 0 to 4, or same");
    }
    l = with("same");
    err = (error){0};
    expect_refusal(&l, &err, layer_setting_get(&l, "x", 0, 0, 4, &value, &err),
                   "x = same: expected a whole number from 0 to 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),
        cmocka_unit_test(test_word),
        cmocka_unit_test(test_number_or_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
