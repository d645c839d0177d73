/* The line that counts: what it says, and when it says nothing. */
#include "show/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is shown of one count, to something that is no terminal. */
static void shown(uint64_t done, uint64_t all, double t_s, bool broken, char text[256])
{
    progress line;
    FILE *to = tmpfile();
    assert_non_null(to);
    progress_start_on(&line, to, 1);
    progress_count(&line, "pictures", done, all, t_s);
    if (broken)
        progress_break(&line);
    progress_stop(&line);
    rewind(to);
    text[fread(text, 1, 255, to)] = '\0';
    fclose(to);
}

static void counts_are_told(void **state)
{
    (void)state;
    char text[256];
    shown(128, 1000, 2.0, false, text);
    assert_string_equal(text, "128/1000 pictures  64 pictures/s  14 s left\n");
    shown(100, 100000, 4.0, true, text); /* a line of a file is broken already */
    assert_string_equal(text, "100/100000 pictures  25 pictures/s  67 min left\n");
    shown(50, 0, 4.0, false, text); /* of a pipe nobody knows what is left */
    assert_string_equal(text, "50 pictures  12 pictures/s\n");
    shown(1000, 1000, 2.0, false, text);
    assert_string_equal(text, "1000/1000 pictures  500 pictures/s  0 s left\n");
}

static void short_work_is_not_told(void **state)
{
    (void)state;
    char text[256];
    shown(128, 1000, 0.9, false, text);
    assert_string_equal(text, "");
    shown(0, 1000, 5.0, false, text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_told),
        cmocka_unit_test(short_work_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
