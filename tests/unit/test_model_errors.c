/* Wrong model files: each gets one line with file, line and what was expected. */
#include "model/model.h"

#include "base/ini.h"
#include "base/memory.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))
#define HEAD "[model]\nname = t\ninput = 1 8 8\nclasses = 2\n"

static void expect_error(const char *text, const char *start, const char *part)
{
    error err = {0};
    model *m = model_new("test.ini", text, &err);
    if (m) {
        model_free(m);
        fail_msg("taken for good: %s", text);
    }
    if (err.kind != ERROR_USER || strncmp(err.text, start, strlen(start)) != 0 ||
        !strstr(err.text, part) || strchr(err.text, '\n'))
        fail_msg("expected %s ... %s, got (%d) %s", start, part, err.kind, err.text);
    assert_null(model_new("test.ini", text, NULL)); /* whoever does not want to know */
}

typedef struct wrong {
    const char *text, *start, *part;
} wrong;

static void expect_errors(const wrong *list, int n)
{
    for (int k = 0; k < n; k++)
        expect_error(list[k].text, list[k].start, list[k].part);
}

static void test_wrong_layers(void **state)
{
    (void)state;
    static const wrong list[] = {
        {HEAD "[a]\nkind = cnv\n", "test.ini:6: ", "kind = cnv: expected one of "},
        {HEAD "[a]\nkind = conv\nfilters = 2\nkernel = 3\n\ncolour = 1\n",
         "test.ini:10: ", "`colour`"},
        {HEAD "[a]\nkind = relu\nunits = 1\n", "test.ini:7: ", "no setting `units`"},
        {HEAD "[a]\nunits = 2\nkind = dense\n", "test.ini:6: ", "begin with `kind"},
        {HEAD "[a]\nkind = dense\nkind = dense\n", "test.ini:7: ", "second `kind`"},
        {HEAD "[a]\nkind = dense\nunits = 2\nunits = 2\n",
         "test.ini:8: ", "`units` is given a second"},
        {HEAD "[a]\nkind = dense\nunits = 2\n[b]\nkind = relu\n[a]\nkind = relu\n",
         "test.ini:11: ", "two layers called [a]"},
        {HEAD "[a]\nkind = relu\n[a]\nkind = relu\n", "test.ini:8: ", "[a]"},
        {HEAD "[a]\n[b]\nkind = dense\nunits = 2\n", "test.ini:5: ", "[a] has no keys"},
        {HEAD "[b]\nkind = dense\nunits = 2\n\n  [a]", "test.ini:9: ", "[a] has no keys"},
        {HEAD "[a b]\nkind = relu\n", "test.ini:6: ", "[a b]"},
        {HEAD "[]\nkind = relu\n", "test.ini:6: ", "[]"},
        {HEAD "[a.b]\nkind = relu\n", "test.ini:6: ", "[a.b]"},
        {HEAD "[a23456789012345678901234567890123456789012345678]\nkind = relu\n",
         "test.ini:6: ", "at most 47"},
        {HEAD "[a2345678901234567890123456789012345678901234567890123456789]\nkind = relu\n",
         "test.ini:6: ", "at most 47"},
        {"kind = relu\n" HEAD, "test.ini:1: ", "name"},
        {HEAD "[f]\nkind = dense\nunits = 3\n",
         "test.ini:6: ", "3 values, expected one for each of the 2"},
        {HEAD "[f]\nkind = relu\n", "test.ini:6: ", "64 values"},
    };
    expect_errors(list, COUNT(list));
}

/* What is put together does not fit, or is not there. */
static void test_wrong_elementwise(void **state)
{
    (void)state;
#define CHAIN HEAD "[c]\nkind = conv\nfilters = 3\nkernel = 3\n[p]\nkind = maxpool\nwindow = 2\n"
    static const wrong list[] = {
        {CHAIN "[a]\nkind = add\ninput = p, c\n", "test.ini:14: [a] on an input of 3 x 3 x 3: ",
         "another of 3 x 6 x 6: all must have the same shape"},
        {CHAIN "[a]\nkind = add\ninput = p, p\n", "test.ini:14: ", "twice"},
        {CHAIN "[a]\nkind = add\n", "test.ini:13: ", "the kind add takes 2 to 4"},
        {CHAIN "[a]\nkind = add\ninput = p, c, q\n", "test.ini:14: ", "q"},
        {CHAIN "[a]\nkind = multiply\n\ninput = c, p\n", "test.ini:15: ", "another of 3 x 3 x 3"},
        {CHAIN "[a]\nkind = multiply\ninput = c, p, image\n", "test.ini:14: ", "takes 2"},
        {CHAIN "[a]\nkind = concat\ninput = c, p\n",
         "test.ini:14: ", "another of 3 x 3 x 3: all must have the same height and width"},
        {CHAIN "[a]\nkind = split\nhalf = first\n", "test.ini:13: ", "an odd number of channels"},
        {CHAIN "[a]\nkind = split\n", "test.ini:13: ", "a split layer needs `half = ...`"},
        {CHAIN "[a]\nkind = split\nhalf = third\n", "test.ini:14: ", "one of first, second"},
        {CHAIN "[a]\nkind = relu\ninput = c, p\n", "test.ini:14: ", "the kind relu takes 1"},
        {CHAIN "[a]\nkind = gelu\nform = exact\n", "test.ini:14: ", "one of erf, tanh"},
        {CHAIN "[a]\nkind = silu\nform = erf\n", "test.ini:14: ", "no setting `form`"},
        {CHAIN "[a]\nkind = prelu\nslopes = 2\n", "test.ini:14: ", "one of one, channels"},
        {CHAIN "[a]\nkind = dropout\np = 1\n", "test.ini:14: ", "a number from 0 to 0.9999"},
        {CHAIN "[a]\nkind = dropout\np = -0.1\n", "test.ini:14: ", "a number from 0"},
        {CHAIN "[a]\nkind = dropout\np = half\n", "test.ini:14: ", "a number from 0"},
        {CHAIN "[a]\nkind = scale\nfactor = 1e7\n",
         "test.ini:14: ", "a number from -1e+06 to 1e+06"},
        {CHAIN "[a]\nkind = scale\nfactor = nan\n", "test.ini:14: ", "a number from"},
    };
    expect_errors(list, COUNT(list));
    expect_error("[model]\nname = t\ninput = 5000 1 1\nclasses = 2\n[r]\nkind = relu\n"
                 "[c]\nkind = concat\ninput = image, r\n",
                 "test.ini:9: ", "10000 channels together: at most 8192");
}

static void test_wrong_settings(void **state)
{
    (void)state;
#define CONV HEAD "[a]\nkind = conv\nfilters = 2\nkernel = 3\n"
    static const wrong list[] = {
        {HEAD "[a]\nkind = conv\nfilters = 2\n[f]\nkind = dense\nunits = 2\n",
         "test.ini:6: [a] on an input of 1 x 8 x 8: ",
         "needs `kernel = ...`: a whole number from 1 to 31"},
        {HEAD "[a]\nkind = conv\nkernel = 2\n", "test.ini:6: ", "needs `filters = ...`"},
        {HEAD "[a]\nkind = maxpool\n", "test.ini:6: ", "needs `window = ...`"},
        {HEAD "[a]\nkind = dense\n", "test.ini:6: ", "needs `units = ...`"},
        {HEAD "[a]\nkind = conv\nfilters = 2\nkernel = 9\n",
         "test.ini:6: ", "kernel = 9: larger than"},
        {HEAD "[a]\nkind = conv\nfilters = 2\nkernel = 32\n",
         "test.ini:8: ", "kernel = 32: expected"},
        {HEAD "[a]\nkind = conv\nfilters = -1\nkernel = 3\n",
         "test.ini:7: ", "filters = -1: expected"},
        {HEAD "[a]\nkind = conv\nfilters = 8193\nkernel = 3\n", "test.ini:7: ", "1 to 8192"},
        {CONV "padding = 3\n", "test.ini:9: ", "padding = 3: expected a whole number from 0 to 2"},
        {CONV "padding = -1\n", "test.ini:9: ", "padding = -1"},
        {CONV "stride = 0\n", "test.ini:9: ", "stride = 0"},
        {CONV "stride = 1025\n", "test.ini:9: ", "stride = 1025"},
        {CONV "padding = sane\n", "test.ini:9: ", "from 0 to 2, or same"},
        {CONV "padding = 1.5\n", "test.ini:9: ", "padding = 1.5"},
        {CONV "groups = 2\n",
         "test.ini:6: ", "groups = 2: expected a divisor of filters = 2 and of the 1"},
        {CONV "groups = 0\n", "test.ini:9: ", "groups = 0"},
        {CONV "dilation = 0\n", "test.ini:9: ", "dilation = 0"},
        {CONV "dilation = 9\n",
         "test.ini:9: ", "dilation = 9: expected a whole number from 1 to 8"},
        {CONV "dilation = 4\n", "test.ini:6: ", "kernel = 3: larger than its input, 9 against 8"},
        {CONV "dilation = 2\npadding = 5\n", "test.ini:10: ", "padding = 5: expected"},
        {CONV "algorithm = f8\n", "test.ini:9: ", "algorithm = f8: expected one of direct, f2, f4"},
        {CONV "stride = 2\nalgorithm = f2\n",
         "test.ini:6: ", "algorithm = f2: for kernel = 3 or 5 and stride = 1 alone"},
        {CONV "dilation = 2\nalgorithm = f4\n", "test.ini:6: ",
         "algorithm = f4: for kernel = 3 and stride = 1 alone, one group, no dilation"},
        {HEAD "[c]\nkind = conv\nfilters = 2\nkernel = 5\nalgorithm = f4\n",
         "test.ini:6: ", "algorithm = f4: for kernel = 3 and stride"},
        {CONV "bias = 0\n", "test.ini:9: ", "bias = 0: expected one of no, yes"},
        {HEAD "[a]\nkind = dense\nunits = 2\nbias = none\n",
         "test.ini:8: ", "bias = none: expected"},
        {CONV "init = xavier\n", "test.ini:9: ", "one of torch, he, dirac, whitening"},
        {HEAD "[a]\nkind = dense\nunits = 2\ninit = dirac\n", "test.ini:8: ", "one of torch, he"},
        {HEAD "[a]\nkind = conv\nfilters = 3\nkernel = 3\ninit = whitening\n",
         "test.ini:6: ", "expected an even number of filters, at most twice the 9"},
        {HEAD "[a]\nkind = conv\nfilters = 20\nkernel = 3\ninit = whitening\n",
         "test.ini:6: ", "even"},
        {HEAD "[a]\nkind = conv\nfilters = 20\nkernel = 9\npadding = 8\ninit = whitening\n",
         "test.ini:6: ", "init = whitening: expected"},
        {HEAD "[r]\nkind = relu\n[a]\nkind = conv\nfilters = 2\nkernel = 3\ninit = whitening\n",
         "test.ini:8: ", "init = whitening: for a convolution of the images"},
        {HEAD "[a]\nkind = maxpool\nwindow = 9\n", "test.ini:7: ", "window = 9"},
        {HEAD "[a]\nkind = maxpool\nwindow = 2\nstride = 0\n", "test.ini:8: ", "stride = 0"},
        {HEAD "[a]\nkind = maxpool\nwindow = 8\n[b]\nkind = maxpool\nwindow = 2\n",
         "test.ini:10: [b] on an input of 1 x 1 x 1: ", "window = 2"},
        {HEAD "[a]\nkind = maxpool\nwindow = 3\npadding = 2\n",
         "test.ini:8: ", "padding = 2: expected a whole number from 0 to 1"},
        {HEAD "[a]\nkind = avgpool\n", "test.ini:6: ", "needs `window = ...`"},
        {HEAD "[a]\nkind = globalpool\nwindow = 8\n", "test.ini:7: ", "no setting `window`"},
        {HEAD "[a]\nkind = groupnorm\n", "test.ini:6: ", "needs `groups = ...`"},
        {CONV "[b]\nkind = groupnorm\ngroups = 3\n",
         "test.ini:11: [b] on an input of 2 x 6 x 6: ", "groups = 3: expected"},
        {"[model]\nname = t\ninput = 6 8 8\nclasses = 2\n[a]\nkind = groupnorm\ngroups = 4\n",
         "test.ini:6: ", "groups = 4: does not divide the 6 channels"},
        {HEAD "[a]\nkind = batchnorm\neps = 0\n", "test.ini:7: ", "eps = 0"},
        {HEAD "[a]\nkind = batchnorm\nmomentum = 1.5\n", "test.ini:7: ", "momentum = 1.5"},
        {HEAD "[a]\nkind = layernorm\nscale = 1\n", "test.ini:7: ", "scale = 1: expected"},
        {HEAD "[a]\nkind = layernorm\nmomentum = 0.1\n", "test.ini:7: ", "no setting `momentum`"},
        {HEAD "[a]\nkind = dense\nunits = 65537\n", "test.ini:7: ", "1 to 65536"},
        {HEAD "[a]\nkind = dense\nunits = 0\n", "test.ini:7: ", "units"},
        {HEAD "[a]\nkind = dense\nunits = two\n",
         "test.ini:7: ", "units = two: expected a whole number"},
        {HEAD "[a]\nkind = dense\nunits = 2.0\n", "test.ini:7: ", "units = 2.0"},
        {HEAD "[a]\nkind = dense\nunits = 0x2\n", "test.ini:7: ", "units = 0x2"},
        {HEAD "[a]\nkind = dense\nunits = 2 2\n", "test.ini:7: ", "units = 2 2"},
        {HEAD "[a]\nkind = dense\nunits =\n", "test.ini:7: ", "units = "},
        {HEAD "[a]\nkind = dense\nunits = 99999999999999999999\n", "test.ini:7: ", "units = 9999"},
        {HEAD "[a]\nkind = dense\nunits = 18446744073709551618\n", "test.ini:7: ", "units = 1844"},
        {HEAD "[a]\nkind = dense\nunits = 4294967298\n", "test.ini:7: ", "units = 4294967298"},
        {HEAD "[a]\nkind = dense\nunits = -9223372036854775808\n", "test.ini:7: ", "units = -9223"},
        {HEAD "[a]\nkind = dense\nunits = 00000000000000000000000000000002\n",
         "test.ini:7: ", "no setting is that long"},
    };
    expect_errors(list, COUNT(list));
#undef CONV
}

static void test_wrong_training(void **state)
{
    (void)state;
#define DENSE HEAD "[a]\nkind = dense\nunits = 2\n"
    static const wrong list[] = {
        {DENSE "trained = 0\n", "test.ini:8: ", "trained = 0: expected a whole number from 1 to"},
        {DENSE "trained = yes\n", "test.ini:8: ", ", or no"},
        {DENSE "trained = 1.5\n", "test.ini:8: ", "trained = 1.5: expected a whole number"},
        {DENSE "lr = -1\n", "test.ini:8: ", "lr = -1: expected a number from 0 to 1e+06"},
        {DENSE "lr = nan\n", "test.ini:8: ", "lr = nan: expected a number"},
        {DENSE "weight-decay = 1e7\n", "test.ini:8: ", "weight-decay = 1e7: expected a number"},
        {DENSE "weight-decay =\n", "test.ini:8: ", "weight-decay = : expected a number"},
        {DENSE "lr = 1\nlr = 1\n", "test.ini:9: ", "`lr` is given a second time"},
        {HEAD "[r]\nkind = relu\nlr = 2\n[a]\nkind = dense\nunits = 2\n",
         "test.ini:7: ", "`lr`: a relu layer has no weights"},
    };
    expect_errors(list, COUNT(list));
#undef DENSE
}

static void test_wrong_inputs(void **state)
{
    (void)state;
#define TWO HEAD "[a]\nkind = relu\n[b]\nkind = relu\n"
#define REST "[c]\nkind = dense\nunits = 2\n"
    static const wrong list[] = {
        {TWO "input = c\n" REST, "test.ini:9: ", "input = c: [c] does not stand above [b]"},
        {TWO "input = b\n" REST, "test.ini:9: ", "input = b: [b] does not stand above [b]"},
        {TWO "input = d\n" REST, "test.ini:9: ", "input = d: there is no such layer"},
        {TWO "input = a,\n" REST, "test.ini:9: ", "input = : there is no such layer"},
        {TWO "input =\n" REST, "test.ini:9: ", "input = : there is no such layer"},
        {TWO "input = a b\n" REST, "test.ini:9: ", "input = a b: there is no such layer"},
        {TWO "input = a, image\n" REST, "test.ini:9: ", "[b] has 2 inputs: the kind relu takes 1"},
        {TWO "input = a, a\n" REST, "test.ini:9: ", "[b] reads the same twice"},
        {TWO "input = a, a, a, a, a\n" REST, "test.ini:9: ", "more than 4"},
        {TWO "input = a\ninput = a\n" REST, "test.ini:10: ", "`input` is given a second time"},
        {TWO "input = image\n" REST, "test.ini:6: ", "[a] is read by no other layer"},
        {TWO REST "input = a\n", "test.ini:8: ", "[b] is read by no other layer"},
        {HEAD "[a]\ninput = image\nkind = relu\n", "test.ini:6: ", "must begin with `kind"},
        {HEAD "[image]\nkind = relu\n" REST, "test.ini:6: ", "[image]: `input = image` means"},
    };
    expect_errors(list, COUNT(list));
#undef REST
#undef TWO
}

static void test_wrong_model_section(void **state)
{
    (void)state;
#define TAIL "classes = 2\n[f]\nkind = dense\nunits = 2\n"
    static const wrong list[] = {
        {"", "test.ini:1: ", "expected a [model] section"},
        {"; nothing\n", "test.ini:1: ", "expected a [model] section"},
        {"[f]\nkind = dense\nunits = 2\n", "test.ini:1: ", "expected a [model] section"},
        {"[model]\nname = t\ninput = 1 2 3\n", "test.ini:3: ", "name, input and classes"},
        {"[model]\nname = t\n" TAIL, "test.ini:3: ", "name, input and classes"},
        {"[model]\ninput = 1 8 8\n" TAIL, "test.ini:3: ", "name, input and classes"},
        {HEAD, "test.ini:4: ", "a section per layer"},
        {HEAD "[r]\nkind = relu\n[p]\nkind = maxpool\nwindow = 8\n", "test.ini:8: ", "1 values"},
        {"[model]\nname = t\ninput = 2 1 1\nclasses = 2\n[r]\nkind = relu\n",
         "test.ini:6: ", "no layer has weights"},
        {HEAD "colour = 1\n", "test.ini:5: ", "unknown key `colour` in [model]"},
        {HEAD "classes = 2\n", "test.ini:5: ", "`classes` is given a second time"},
        {"[model]\nname = a b\n", "test.ini:2: ", "name = a b"},
        {"[model]\nname =\n", "test.ini:2: ", "name = "},
        {"[model]\nname = t\ninput = 1 8\n" TAIL, "test.ini:3: ", "input = 1 8: expected channels"},
        {"[model]\nname = t\ninput = 1 8 8 8\n" TAIL, "test.ini:3: ", "input = 1 8 8 8"},
        {"[model]\nname = t\ninput = 1x8x8\n" TAIL, "test.ini:3: ", "input = 1x8x8"},
        {"[model]\nname = t\ninput = 0 8 8\n" TAIL, "test.ini:3: ", "input = 0 8 8"},
        {"[model]\nname = t\ninput = 1 -8 -8\n" TAIL, "test.ini:3: ", "input = 1 -8 -8"},
        {"[model]\nname = t\ninput = 8193 1 1\n" TAIL, "test.ini:3: ", "at most 8192"},
        {"[model]\nname = t\ninput = 1 1025 1\n" TAIL, "test.ini:3: ", "at most 8192"},
        {"[model]\nname = t\ninput = 17 1024 1024\n" TAIL, "test.ini:3: ", "16777216"},
        {"[model]\nname = t\ninput = 4294967297 8 8\n" TAIL, "test.ini:3: ", "input = 4294967297"},
        {"[model]\nname = t\ninput = 1 8 99999999999999999999\n" TAIL,
         "test.ini:3: ", "input = 1 8 9"},
        {"[model]\nname = t\ninput = 1 8 8\nclasses = 1\n", "test.ini:4: ", "classes = 1"},
        {"[model]\nname = t\ninput = 1 8 8\nclasses = 65537\n", "test.ini:4: ", "2 to 65536"},
        {"[model]\nname = t\ninput = 1 8 8\nclasses = ten\n", "test.ini:4: ", "classes = ten"},
        {"[model]\nname = t\ninput = 1 8 8\nclasses = 18446744073709551626\n",
         "test.ini:4: ", "classes"},
    };
    expect_errors(list, COUNT(list));
#undef TAIL
}

static void test_limits(void **state)
{
    (void)state;
#define LARGE "[model]\nname = t\ninput = 1 256 256\nclasses = 2\n"
    static const wrong list[] = {
        {LARGE "[a]\nkind = conv\nfilters = 257\nkernel = 1\n", "test.ini:6: ", "at most 16777216"},
        {LARGE "[a]\nkind = dense\nunits = 8192\n", "test.ini:6: ", "more than 268435456 weights"},
        {LARGE "[a]\nkind = conv\nfilters = 256\nkernel = 1\n[b]\nkind = dense\nunits = 8192\n",
         "test.ini:10: ", "more than 268435456 weights"},
        {LARGE "[a]\nkind = conv\nfilters = 8192\nkernel = 31\nstride = 1024\n[b]\nkind = conv\n"
               "filters = 8192\nkernel = 31\npadding = 30\n",
         "test.ini:11: ", "more than 268435456 weights"},
    };
    expect_errors(list, COUNT(list));
#undef LARGE
    char *text = memory_new(300, 32, NULL);
    assert_non_null(text);
    size_t used = (size_t)sprintf(text, HEAD);
    for (int k = 0; k < 300; k++)
        used += (size_t)sprintf(text + used, "[r%d]\nkind = relu\n", k);
    expect_error(text,
                 "test.ini:518: ", "more than 256 layers"); /* 4 lines, 256 x 2, and the kind */
    memory_free(text);
}

static void test_garbage(void **state)
{
    (void)state;
    static const wrong list[] = {
        {"hello\n", "test.ini:1: ", "expected [section]"},
        {HEAD "[a\nkind = relu\n", "test.ini:5: ", "expected [section]"},
        {HEAD "[a]\nrelu\n", "test.ini:6: ", "expected [section]"},
        {HEAD "\x89HDF\r\n\x1a\n", "test.ini:5: ", "expected [section]"},
        {"\x7f"
         "ELF\x02\x01\x01",
         "test.ini:1: ", "expected [section]"},
    };
    expect_errors(list, COUNT(list));
    char text[2000] = HEAD "[a]\n;";
    size_t used = strlen(text);
    memset(text + used, 'x', 1000);
    strcpy(text + used + 1000, "\nkind = relu\n");
    expect_error(text, "test.ini:6: ", "too long");
    strcpy(text, HEAD "[a]\nkind = dense\nunits = ");
    used = strlen(text);
    memset(text + used, ' ', 1000);
    strcpy(text + used + 1000, "2\n");
    expect_error(text, "test.ini:7: ", "too long");
}

static char *paper_text(void)
{
    error err = {0};
    char *text = ini_read_file("models/paper.ini", &err);
    if (!text)
        fail_msg("%s (run from the project's folder)", err.text);
    return text;
}

/* The paper's file with a few bytes changed, lost or doubled: a sound model or one good line. */
static void test_damaged(void **state)
{
    (void)state;
    static const char bytes[] = "[]=;#\n \t0123456789-x\x80\x01";
    char *paper = paper_text(), *text = memory_new(2 * strlen(paper) + 64, 1, NULL);
    uint64_t stream = random_stream(RANDOM_TEST, 7, 0), n = 0;
    for (int turn = 0; turn < 3000; turn++) {
        strcpy(text, paper);
        for (int k = 0; k <= turn % 4; k++) {
            size_t length = strlen(text), at = (size_t)random_below(1, stream, n++, length);
            size_t width = (size_t)random_below(1, stream, n++, 12);
            width = width < length - at ? width : length - at;
            uint64_t what = random_below(1, stream, n++, 3);
            if (what == 0)
                text[at] = bytes[random_below(1, stream, n++, sizeof bytes - 1)];
            else if (what == 1)
                memmove(text + at, text + at + width, length - at - width + 1);
            else if (length + width < 2 * strlen(paper))
                memmove(text + at + width, text + at, length - at + 1);
        }
        error err = {0};
        model *m = model_new("test.ini", text, &err);
        int line = 0;
        if (m)
            assert_int_equal(layer_features(m->layers[m->n_layers - 1].out), m->n_classes);
        else if (err.kind != ERROR_USER || sscanf(err.text, "test.ini:%d: ", &line) != 1 ||
                 line < 1)
            fail_msg("got (%d) %s of %s", err.kind, err.text, text);
        model_free(m);
    }
    memory_free(paper);
    memory_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_layers),   cmocka_unit_test(test_wrong_elementwise),
        cmocka_unit_test(test_wrong_settings), cmocka_unit_test(test_wrong_training),
        cmocka_unit_test(test_wrong_inputs),   cmocka_unit_test(test_wrong_model_section),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
