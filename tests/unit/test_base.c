/* Random numbers, memory, errors, phases of time. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/quantile.h"
#include "base/random.h"
#include "base/utf8.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* Under AddressSanitizer too, memory that cannot be had is an error to be tested, not an abort. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ---- random ------------------------------------------------------------------------------------ */

/* The vectors its authors publish: counter and key of zeros, of ones, of the digits of pi. */
static void test_philox(void **state)
{
    (void)state;
    assert_true(random_u64(0, 0, 0) == UINT64_C(0xe169c58d6627e8d5));
    assert_true(random_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_C(0x41c83b0e408f276d));
    assert_true(random_u64(UINT64_C(0x299f31d0a4093822), UINT64_C(0x0370734413198a2e),
                           UINT64_C(0x85a308d3243f6a88)) == UINT64_C(0x94fdccebd16cfe09));
}

static void test_streams(void **state)
{
    (void)state;
    const uint64_t streams[] = {
        random_stream(RANDOM_INIT, 0, 0),          random_stream(RANDOM_INIT, 1, 0),
        random_stream(RANDOM_INIT, 0, 1),          random_stream(RANDOM_SHUFFLE, 0, 0),
        random_stream(RANDOM_SYNTHETIC, 0, 0),     random_stream(RANDOM_TEST, 0, 0),
        random_stream(RANDOM_INIT, 0xFFFFFF, 0),   random_stream(RANDOM_INIT, 0, UINT32_MAX),
        random_stream(RANDOM_SHUFFLE, 0xFFFFFF, 0)};
    for (int a = 0; a < 9; a++)
        for (int b = 0; b < a; b++) {
            assert_true(streams[a] != streams[b]);
            assert_true(random_u64(1, streams[a], 0) != random_u64(1, streams[b], 0));
        }
    assert_true(random_u64(1, 2, 3) != random_u64(2, 2, 3));
    assert_true(random_u64(1, 2, 3) != random_u64(1, 2, 4));
}

static void test_random_below(void **state)
{
    (void)state;
    enum { N = 7, DRAWS = 70000 };
    int n[N] = {0};
    for (uint64_t k = 0; k < DRAWS; k++)
        n[random_below(3, 0, k, N)]++; /* outside: ASan or the sum tells */
    for (int k = 0; k < N; k++)
        assert_true(abs(n[k] - DRAWS / N) < 5 * 100); /* five deviations */
    for (uint64_t k = 0; k < 100; k++) {
        assert_int_equal(random_below(3, 0, k, 1), 0);
        assert_true(random_below(3, 0, k, UINT64_MAX) < UINT64_MAX);
        assert_true(random_below(3, 0, k, (UINT64_C(1) << 33) + 1) <= UINT64_C(1) << 33);
    }
}

/* Against the C library's logarithm: x and y, where the point falls into the circle; moments, and the rare ones. */
static void test_random_normal(void **state)
{
    (void)state;
    enum { DRAWS = 200000 };
    double sums[5] = {0}, far = 0;
    for (uint64_t k = 0; k < DRAWS; k++) {
        const double z = random_normal(7, 1, k);
        double x, y, power = 1;
        uint64_t draw = k << 8;
        do {
            const uint64_t bits = random_u64(7, 1, draw++);
            x = ((double)(bits >> 32) + 0.5) / 2147483648.0 - 1;
            y = ((double)(uint32_t)bits + 0.5) / 2147483648.0 - 1;
        } while (x * x + y * y >= 1);
        const double square = x * x + y * y, expected = x * sqrt(-2 * log(square) / square);
        assert_true(fabs(z - expected) < 1e-11); /* of logarithms near 0 */
        for (int i = 1; i < 5; i++)
            sums[i] += power *= z;
        far += fabs(z) > 3;
    }
    assert_true(fabs(sums[1] / DRAWS) < 0.01 && fabs(sums[2] / DRAWS - 1) < 0.015);
    assert_true(fabs(sums[3] / DRAWS) < 0.03 && fabs(sums[4] / DRAWS - 3) < 0.1);
    assert_true(far > 440 && far < 640); /* 540 */
    assert_true(random_normal(7, 1, 3) == random_normal(7, 1, 3));
    assert_true(random_normal(7, 1, 3) != random_normal(7, 2, 3));
}

static void test_random_floats(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    double sum = 0.0, squares = 0.0;
    for (uint64_t k = 0; k < DRAWS; k++) {
        float x = random_uniform(5, 0, k, -0.25F, 0.75F);
        assert_true(x >= -0.25F && x < 0.75F);
        sum += (double)x;
        squares += (double)x * (double)x;
    }
    for (uint64_t k = 0; k < 64; k++) /* floats there are wider apart than the grid */
        assert_true(random_uniform(5, 0, k, 1.0F, nextafterf(1.0F, 2.0F)) == 1.0F);
    double n = DRAWS, deviations = 5.0 / sqrt(n);
    assert_true(fabs(sum / n - 0.25) < deviations * sqrt(1.0 / 12.0));
    assert_true(fabs(squares / n - (1.0 / 12.0 + 0.0625)) < deviations * 0.18);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void test_multiply(void **state)
{
    (void)state;
    size_t product = 17;
    assert_true(memory_multiply(3, 5, &product));
    assert_int_equal(product, 15);
    assert_true(memory_multiply(SIZE_MAX, 1, &product) && product == SIZE_MAX);
    assert_true(memory_multiply(SIZE_MAX, 0, &product) && product == 0);
    product = 17;
    assert_false(memory_multiply(SIZE_MAX, 2, &product));
    assert_false(memory_multiply((size_t)1 << 32, (size_t)1 << 32, &product));
    assert_int_equal(product, 17);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n++) {
        size_t whole = memory_lines(n);
        assert_true(whole % MEMORY_ALIGNMENT == 0 && whole >= n && whole < n + MEMORY_ALIGNMENT);
    }
    assert_true(memory_lines(SIZE_MAX - MEMORY_ALIGNMENT) == SIZE_MAX / 64 * 64);
}

static void test_memory(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        error err = {0};
        unsigned char *memory = memory_new(n, 1, &err);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % MEMORY_ALIGNMENT, 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(memory[k], 0);
        memset(memory, 0xFF, n); /* so that the next one would see it */
        memory_free(memory);
        assert_int_equal(err.kind, ERROR_NONE);
    }
    memory_free(NULL);
}

static void test_memory_out(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{SIZE_MAX, 1},        {SIZE_MAX - 63, 1},
                                      {PTRDIFF_MAX, 1},     {(size_t)1 << 40, (size_t)1 << 40},
                                      {(size_t)1 << 50, 1}, {2, SIZE_MAX / 2 + 2}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        error err = {0};
        assert_null(memory_new(sizes[k][0], sizes[k][1], &err));
        assert_int_equal(err.kind, ERROR_ENVIRONMENT);
        assert_non_null(strstr(err.text, "memory"));
        assert_null(memory_new(sizes[k][0], sizes[k][1], NULL));
    }
}

/* ---- errors ------------------------------------------------------------------------------------ */

static void test_error_first_is_kept(void **state)
{
    (void)state;
    error err = {0};
    assert_false(error_prefix(&err, "nothing yet"));
    assert_int_equal(err.kind, ERROR_NONE);
    assert_false(error_user(&err, "--batch %d: must be at least 1", 0));
    assert_false(error_environment(&err, "later"));
    assert_int_equal(err.kind, ERROR_USER);
    assert_string_equal(err.text, "--batch 0: must be at least 1");
    assert_false(error_prefix(&err, "%s:%d", "run.ini", 7));
    assert_string_equal(err.text, "run.ini:7: --batch 0: must be at least 1");
    assert_false(error_user(NULL, "nobody listens"));
    assert_false(error_prefix(NULL, "nobody listens"));
    error other = {0};
    error_environment(&other, "disk full");
    assert_int_equal(other.kind, ERROR_ENVIRONMENT);
}

/* Of any length, in text and prefix: cut, terminated, the prefix at the front. */
static void test_error_long(void **state)
{
    (void)state;
    char text[2000];
    for (size_t n = 700; n < 800; n++)
        for (size_t m = 1; m < 1000; m += 97) {
            error err = {0};
            memset(text, 'x', sizeof text);
            text[n] = '\0';
            error_user(&err, "%s", text);
            assert_int_equal(strlen(err.text), n < sizeof err.text ? n : sizeof err.text - 1);
            text[n] = 'x';
            text[m] = '\0';
            memset(text, 'p', m);
            error_prefix(&err, "%s", text);
            size_t want = m + 2 + (n < sizeof err.text ? n : sizeof err.text - 1);
            size_t length = strlen(err.text);
            assert_true(length <= sizeof err.text - 1 && length + 3 >= (want < 767 ? want : 767));
            assert_int_equal(err.text[0], 'p');
        }
}

/* What error_print writes to stderr, into text. */
static void print_caught(const error *err, char *text, size_t size)
{
    int ends[2], old = dup(STDERR_FILENO);
    assert_true(old >= 0 && pipe(ends) == 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    error_print(err);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    close(ends[1]);
    ssize_t n = read(ends[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    close(old);
}

static void test_error_print(void **state)
{
    (void)state;
    char text[2000];
    error err = {0};
    error_user(&err, "a\nb\x1b[31m\x7f: cannot be read");
    print_caught(&err, text, sizeof text);
    assert_string_equal(text, "bramble: a?b?[31m?: cannot be read\n");
    error longest = {.kind = ERROR_USER};
    memset(longest.text, 'x', sizeof longest.text - 1);
    print_caught(&longest, text, sizeof text);
    assert_int_equal(strlen(text), strlen("bramble: ") + sizeof longest.text - 1 + 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

/* ---- time -------------------------------------------------------------------------------------- */

/* Let the clock move on. */
static void pass_time(void)
{
    double start = clock_now();
    while (clock_now() - start < 1e-4)
        ;
}

static double total(const double t_s[PHASE_COUNT])
{
    double sum = 0.0;
    for (int k = 0; k < PHASE_COUNT; k++)
        sum += t_s[k];
    return sum;
}

static void test_phases_add_up(void **state)
{
    (void)state;
    phases hands;
    double t_s[PHASE_COUNT], before = clock_now();
    phases_start(&hands, PHASE_INPUT);
    double start = hands.since_s;
    assert_true(start >= before);
    for (int k = 0; k < PHASE_COUNT; k++) {
        enum phase left = k ? (enum phase)(k - 1) : PHASE_INPUT;
        pass_time();
        assert_int_equal(phases_enter(&hands, (enum phase)k), left);
    }
    pass_time();
    phases_take(&hands, t_s);
    assert_int_equal(hands.now, PHASE_COUNT - 1);
    for (int k = 0; k < PHASE_COUNT; k++)
        assert_true(t_s[k] >= (k == PHASE_INPUT ? 2e-4 : 1e-4));
    assert_true(fabs(total(t_s) - (hands.since_s - start)) < 1e-9);
    /* The hands stand at zero, and time goes on in the same phase. */
    start = hands.since_s;
    pass_time();
    phases_move(&hands, PHASE_OUTPUT, PHASE_WAIT, 0.25);
    phases_take(&hands, t_s);
    assert_true(t_s[PHASE_WAIT] == 0.25);
    assert_true(fabs(t_s[PHASE_OUTPUT] + 0.25 - (hands.since_s - start)) < 1e-9);
    assert_true(t_s[PHASE_TRAIN] == 0.0);
}

static void test_clock(void **state)
{
    (void)state;
    static const char *const names[PHASE_COUNT] = {"other", "train", "input",    "wait",  "serve",
                                                   "pack",  "wire",  "evaluate", "output"};
    double wall = clock_now(), cpu = clock_cpu();
    while (clock_cpu() - cpu < 1e-3)
        ;
    assert_true(clock_now() - wall > 0.0);
    for (int k = 0; k < PHASE_COUNT; k++)
        assert_string_equal(phase_name((enum phase)k), names[k]);
    char text[32];
    struct tm utc = {0};
    clock_date(text);
    assert_int_equal(strlen(text), 20);
    assert_int_equal(text[19], 'Z');
    assert_ptr_equal(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc), text + 20);
    assert_true(llabs((long long)timegm(&utc) - (long long)time(NULL)) <= 2);
}

/* As numpy.quantile has them; what is not known does not count. */
static void test_quantiles(void **state)
{
    (void)state;
    double values[] = {7, NAN, 1, 4, -2, INFINITY};
    assert_int_equal(quantile_sort(values, 6), 4);
    assert_true(values[0] == -2 && values[1] == 1 && values[2] == 4 && values[3] == 7);
    assert_true(quantile(values, 4, 0) == -2 && quantile(values, 4, 1) == 7);
    assert_true(quantile(values, 4, 0.5) == 2.5 && quantile(values, 4, 0.25) == 0.25);
    assert_true(quantile(values, 1, 0.75) == -2);
    assert_true(isnan(quantile(values, 0, 0.5)));
}

/* ---- letters ----------------------------------------------------------------------------------- */

static void test_letters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t letter; /* bytes of the first one */
    } cases[] = {
        {"a", 1},
        {" ", 1},
        {"", 0},
        {"\n", 0},
        {"\177", 0},
        {"\303\244b", 2},
        {"\346\227\245", 3},
        {"\360\237\220\261", 4},
        {"\303", 0},
        {"\346\227", 0},
        {"\303(", 0},
        {"\244", 0},
        {"\300\201", 0},
        {"\302\205", 0},
        {"\302\240", 2},
        {"\340\200\240", 0},
        {"\355\240\200", 0},
        {"\357\277\277", 3},
        {"\360\200\200\200", 0},
        {"\364\220\200\200", 0},
        {"\370\210\200\200\200", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        if (utf8_letter(cases[i].text, n) != cases[i].letter)
            fail_msg("case %zu", i);
        assert_true(n == 0 || utf8_is_plain(cases[i].text, cases[i].letter));
        assert_true(n == 0 || cases[i].letter > 0 || !utf8_is_plain(cases[i].text, n));
    }
    static const char mixed[] = "\303\204pfel \346\227\245 \377x";
    size_t n_bytes;
    assert_int_equal(utf8_fit(mixed, sizeof mixed - 1, 1), 0);
    assert_int_equal(utf8_fit(mixed, sizeof mixed - 1, 9), 7);
    assert_int_equal(utf8_fit(mixed, sizeof mixed - 1, 10), 10);
    assert_int_equal(utf8_fit(mixed, sizeof mixed - 1, 100), sizeof mixed - 1);
    assert_int_equal(utf8_count(mixed, 100, &n_bytes), 10);
    assert_int_equal(n_bytes, sizeof mixed - 1);
    assert_int_equal(utf8_count(mixed, 7, &n_bytes), 7);
    assert_int_equal(n_bytes, 10);
    char mended[] = "\303\204\033[1m\303";
    utf8_mend(mended);
    assert_string_equal(mended, "\303\204?[1m?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_random_below),  cmocka_unit_test(test_random_normal),
        cmocka_unit_test(test_random_floats), cmocka_unit_test(test_multiply),
        cmocka_unit_test(test_lines),         cmocka_unit_test(test_memory),
        cmocka_unit_test(test_memory_out),    cmocka_unit_test(test_error_first_is_kept),
        cmocka_unit_test(test_error_long),    cmocka_unit_test(test_error_print),
        cmocka_unit_test(test_phases_add_up), cmocka_unit_test(test_clock),
        cmocka_unit_test(test_quantiles),     cmocka_unit_test(test_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
