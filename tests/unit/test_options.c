/* The command lines: what they mean, and what they refuse. */
#include "model/schedule.h"
#include "parse_train.h"

#include "data/sampler.h"
#include "transport/average.h"

#include <unistd.h>

/* ---- values ---------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    (void)state;
    const train_options *o = parse("");
    assert_string_equal(o->data, "data");
    assert_string_equal(o->model, "paper");
    assert_string_equal(o->init, "");
    assert_string_equal(o->out, "");
    assert_string_equal(o->config, "");
    assert_int_equal(o->rounds, 10);
    assert_int_equal(o->local_epochs, 1);
    assert_int_equal(o->local_steps, 0);
    assert_int_equal(o->average_every, 0);
    assert_int_equal(o->batch, 32);
    assert_true(o->lr == 0.001 && o->momentum == 0.9 && o->warmup == 0 && o->weight_decay == 0);
    assert_true(o->target_accuracy == 0);
    assert_int_equal(o->schedule, SCHEDULE_CONSTANT);
    assert_int_equal(o->order, ORDER_SHUFFLE);
    assert_string_equal(average_rules[o->average]->name, "gather");
    assert_int_equal(o->threads, 0);
    assert_int_equal(o->seed, 1);
    assert_int_equal(o->limit_train + o->limit_test + o->shards.n + o->eval_every, 0);
    assert_int_equal(o->preset, 0);
    assert_false(o->nesterov || o->keep_momentum || o->force || o->quiet || o->json);
}

static void test_values(void **state)
{
    (void)state;
    const train_options *o =
        parse("--data synthetic:500 --batch=65536 --lr 1e-2 --seed 18446744073709551615 "
              "--order sequential --schedule cosine --average gather --shards 3,1,4294967295 "
              "--nesterov --json --init w.h5:/a/b --warmup .5 --limit-train 4294967295 --quiet");
    assert_string_equal(o->data, "synthetic:500");
    assert_string_equal(o->init, "w.h5:/a/b");
    assert_int_equal(o->batch, 65536);
    assert_true(o->lr == 0.01 && o->warmup == 0.5);
    assert_true(o->seed == UINT64_MAX);
    assert_int_equal(o->order, ORDER_SEQUENTIAL);
    assert_int_equal(o->schedule, SCHEDULE_COSINE);
    assert_string_equal(average_rules[o->average]->name, "gather");
    assert_int_equal(o->shards.n, 3);
    assert_int_equal(o->shards.values[0], 3);
    assert_int_equal(o->shards.values[2], 4294967295);
    assert_int_equal(o->limit_train, 4294967295);
    assert_true(o->nesterov && o->json && o->quiet);
}

static void test_last_value_and_negation(void **state)
{
    (void)state;
    const train_options *o =
        parse("--rounds 3 --nesterov --force --rounds 4 --no-nesterov --no-json");
    assert_int_equal(o->rounds, 4);
    assert_false(o->nesterov || o->json);
    assert_true(o->force);
    assert_int_equal(parse("--roun 7")->rounds, 7);
    assert_true(parse("--no-quiet --quiet")->quiet);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("BRAMBLE_DATA", "/images", 1);
    assert_string_equal(parse("")->data, "/images");
    assert_string_equal(parse("--data here")->data, "here");
    config_text = "data = there\n";
    assert_string_equal(parse("--config run.ini")->data, "there");
    setenv("BRAMBLE_DATA", "", 1);
    assert_string_equal(parse("")->data, "data");
    unsetenv("BRAMBLE_DATA");
}

static void test_refuses_values(void **state)
{
    (void)state;
    assert_refused("--batch abc", "--batch abc: expected a whole number from 1 to 65536");
    static const char *const wholes[] = {
        "0", "65537", "-1", "+1", "1.0", "1e3", "0x1", "3a", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        char line[64], message[128];
        snprintf(line, sizeof line, "--batch %s", wholes[i]);
        snprintf(message, sizeof message, "%s: expected a whole number from 1 to 65536", line);
        assert_refused(line, message);
    }
    static const char *const reals[] = {"nan",  "inf",  "-inf", "1e400", "0x1p-3", "1,5",
                                        "0.1x", "-0.1", "1.01", ".",     "e",      "--quiet"};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        char line[64], message[128];
        snprintf(line, sizeof line, "--momentum %s", reals[i]);
        snprintf(message, sizeof message, "%s: expected a number from 0 to 1", line);
        assert_refused(line, message);
    }
    assert_refused("--batch=", "--batch \"\": expected a whole number from 1 to 65536");
    assert_refused("--seed 18446744073709551616", "--seed 18446744073709551616: expected a whole "
                                                  "number from 0 to 18446744073709551615");
    assert_refused("--average all",
                   "--average all: expected gather, reduce, allreduce, slices or tree");
    assert_refused(
        "--preset slow",
        "--preset slow: expected none, paper, fast, lenet, fashion, resnet8, tiny, resnet20 or speed94");
    assert_refused("--data=", "--data \"\": expected DATA, not an empty text");
}

static void test_refuses_lists(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "0", "1,0", "1,,2", ",1", "1,", "1;2", "4294967296", "111111111111111111111111111111,1"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        char line[64], message[192];
        snprintf(line, sizeof line, "--shards %s", lists[i]);
        snprintf(message, sizeof message,
                 "%s: expected at most 1024 whole numbers from 1 to 4294967295 with commas between "
                 "them",
                 line);
        assert_refused(line, message);
    }
    char many[2 * (OPTION_LIST_MAX + 1) + 16] = "--shards 1";
    for (int i = 1; i < OPTION_LIST_MAX; i++)
        strcat(many, ",1");
    assert_int_equal(parse(many)->shards.n, OPTION_LIST_MAX);
    error err = {0};
    assert_int_equal(parse_into(&options, strcat(many, ",1"), &err), PARSE_FAILED);
    assert_int_equal(err.kind, ERROR_USER);
}

static void test_refuses_long_texts(void **state)
{
    (void)state;
    char line[OPTION_TEXT_BYTES + 16] = "--out ";
    memset(line + 6, 'a', OPTION_TEXT_BYTES - 1);
    assert_int_equal(strlen(parse(line)->out), OPTION_TEXT_BYTES - 1);
    strcat(line, "b");
    error err = {0};
    assert_int_equal(parse_into(&options, line, &err), PARSE_FAILED);
    assert_non_null(strstr(err.text, "aaa: expected at most 4095 characters"));
}

static void test_failure_leaves_field(void **state)
{
    static train_options other;
    (void)state;
    parse("--batch 7 --shards 1,2 --order sequential");
    other = options;
    assert_false(option_set(option_find(option_train_table, "batch"), &options, "x", NULL));
    assert_false(option_set(option_find(option_train_table, "shards"), &options, "5,x", NULL));
    assert_false(option_set(option_find(option_train_table, "order"), &options, "x", NULL));
    assert_memory_equal(&options, &other, sizeof options);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void test_refuses_lines(void **state)
{
    (void)state;
    assert_refused("--batch", "--batch: its value B is missing");
    assert_refused("--quiet --bat", "--batch: its value B is missing");
    assert_refused("--order", "--order: its value shuffle|sequential is missing");
    assert_refused("--bach 3", "--bach: unknown option; did you mean --batch?");
    assert_refused("--learning-rate=3",
                   "--learning-rate: unknown option; bramble train --help lists all");
    assert_refused("--no-batch", "--no-batch: unknown option; bramble train --help lists all");
    assert_refused("--lo 3", "--lo: several options begin so; write it out");
    assert_refused("--quiet=1", "--quiet=1: takes no value; say --quiet or --no-quiet");
    assert_refused("--help=1", "--help: takes no value");
    assert_refused("-x", "-x: unknown option; bramble train --help lists all");
    assert_refused("--lr 0.1 -xy", "-xy: unknown option; bramble train --help lists all");
    const char *stray = "train: unexpected argument \"stray\"; bramble train --help tells what is "
                        "expected";
    assert_refused("stray", stray);
    assert_refused("--quiet stray --json", stray);
    assert_refused("-- stray", stray);
}

static void test_keeps_first_error(void **state)
{
    (void)state;
    error err = {0};
    error_user(&err, "first");
    assert_int_equal(parse_into(&options, "--bogus", &err), PARSE_FAILED);
    assert_string_equal(err.text, "first");
    assert_int_equal(parse_into(&options, "--bogus", NULL), PARSE_FAILED);
    assert_int_equal(parse_into(&options, "--batch 0", NULL), PARSE_FAILED);
}

/* ---- the other commands ---------------------------------------------------------------------- */

/* The parsers keep pointers into the words, which therefore stay. */
static char command_line[512], *command_words[WORDS_MAX + 1];

static int words_of(const char *text)
{
    snprintf(command_line, sizeof command_line, "%s", text);
    return split(command_line, command_words);
}

#define PARSE(command, text, options, err)                                                         \
    options_parse_##command(words_of(text), command_words, false, options, err)

static void test_other_commands(void **state)
{
    (void)state;
    static test_options test;
    static report_options report;
    watch_options watch;
    info_options info;
    data_options data;
    assert_int_equal(PARSE(test, "test --json a.h5 --threads 2", &test, NULL), PARSE_RUN);
    assert_string_equal(test.file, "a.h5");
    assert_true(test.json && test.threads == 2 && test.seed == 1 && !*test.model);
    assert_string_equal(test.data, "data");
    assert_int_equal(PARSE(report, "report a.h5 --base 1:2 b.h5 --format csv -- -c", &report, NULL),
                     PARSE_RUN);
    assert_int_equal(report.n_files, 3);
    assert_string_equal(report.files[1], "b.h5");
    assert_string_equal(report.files[2], "-c");
    assert_true(strcmp(report.base, "1:2") == 0 && report.format == REPORT_CSV);
    assert_int_equal(PARSE(report, "report a.h5", &report, NULL), PARSE_RUN);
    assert_true(!*report.base && strcmp(report.by, "case") == 0 && report.format == REPORT_TABLE);
    assert_int_equal(PARSE(report, "report a.h5 --rounds --ranks", &report, NULL), PARSE_RUN);
    assert_true(report.rounds && report.ranks);
    assert_int_equal(PARSE(report, "report a.h5 --trace t.json", &report, NULL), PARSE_RUN);
    assert_string_equal(report.trace, "t.json");
    assert_int_equal(PARSE(watch, "watch a.h5 --patience 0.5", &watch, NULL), PARSE_RUN);
    assert_true(strcmp(watch.file, "a.h5") == 0 && watch.patience == 0.5);
    assert_true(!watch.web && watch.port == 0 && strcmp(watch.bind, "127.0.0.1") == 0);
    assert_int_equal(PARSE(watch, "watch a.h5 b.h5", &watch, NULL), PARSE_FAILED);
    assert_int_equal(PARSE(watch, "watch --web 8080 a.h5", &watch, NULL), PARSE_RUN);
    assert_true(watch.web && watch.port == 8080 && strcmp(watch.file, "a.h5") == 0);
    assert_int_equal(PARSE(watch, "watch 80.h5 --web --bind ::1 8080", &watch, NULL), PARSE_RUN);
    assert_true(watch.port == 8080 && strcmp(watch.file, "80.h5") == 0 && watch.bind[0] == ':');
    assert_int_equal(PARSE(watch, "watch --web 8080", &watch, NULL), PARSE_RUN); /* a file */
    assert_int_equal(PARSE(watch, "watch --web 65536 a.h5", &watch, NULL), PARSE_FAILED);
    assert_int_equal(PARSE(watch, "watch a.h5 --bind ::1", &watch, NULL), PARSE_FAILED);
    assert_int_equal(PARSE(info, "info", &info, NULL), PARSE_RUN);
    assert_true(!info.file && !info.json);
    assert_int_equal(PARSE(info, "info a.h5 --json", &info, NULL), PARSE_RUN);
    assert_true(info.json && strcmp(info.file, "a.h5") == 0);
    assert_int_equal(PARSE(data, "data check d", &data, NULL), PARSE_RUN);
    assert_true(data.action == DATA_CHECK && strcmp(data.data, "d") == 0);
    assert_int_equal(PARSE(data, "data synth d 50000 --seed 4", &data, NULL), PARSE_RUN);
    assert_true(data.action == DATA_SYNTH && data.n == 50000 && data.seed == 4);
    assert_int_equal(PARSE(data, "data synth d", &data, NULL), PARSE_RUN);
    assert_int_equal(data.n, 0);
}

static void test_refuses_other_commands(void **state)
{
    (void)state;
    static test_options test;
    static report_options report;
    info_options info;
    static const char *const datas[] = {"data",           "data check",     "data synth",
                                        "data check d 5", "data synth d 0", "data synth d 50001",
                                        "data synth d x", "data remove d",  "data check d e f"};
    for (size_t i = 0; i < sizeof datas / sizeof *datas; i++) {
        data_options data;
        error err = {0};
        assert_int_equal(PARSE(data, datas[i], &data, &err), PARSE_FAILED);
        assert_int_equal(err.kind, ERROR_USER);
        assert_non_null(strstr(err.text, "expected"));
    }
    error err = {0};
    assert_int_equal(PARSE(test, "test", &test, &err), PARSE_FAILED);
    assert_string_equal(err.text, "test: expected FILE.h5[:/GROUP]");
    assert_int_equal(PARSE(test, "test a b", &test, NULL), PARSE_FAILED);
    assert_int_equal(PARSE(report, "report", &report, NULL), PARSE_FAILED);
    assert_int_equal(PARSE(report, "report a --format xml", &report, NULL), PARSE_FAILED);
    static const char *const others[] = {"--trace t.json", "--base 1:1", "--by lr"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char line[64];
        snprintf(line, sizeof line, "report a --ranks %s", others[i]);
        err = (error){0};
        assert_int_equal(PARSE(report, line, &report, &err), PARSE_FAILED);
        assert_non_null(strstr(err.text, "does not go with --rounds and --ranks"));
    }
    assert_int_equal(PARSE(info, "info a b", &info, NULL), PARSE_FAILED);
}

/* ---- silence --------------------------------------------------------------------------------- */

/* Whatever the tests do, all is said in errors: neither argp nor getopt may write to stderr, which
 * is a file meanwhile. */
static int saved_stderr;
static FILE *caught;

static int catch_stderr(void **state)
{
    (void)state;
    unsetenv("BRAMBLE_DATA");
    caught = tmpfile();
    saved_stderr = dup(STDERR_FILENO);
    return caught && saved_stderr >= 0 && dup2(fileno(caught), STDERR_FILENO) >= 0 ? 0 : -1;
}

static int check_stderr(void **state)
{
    (void)state;
    char text[512];
    fflush(stderr);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    rewind(caught);
    size_t n = fread(text, 1, sizeof text - 1, caught);
    fclose(caught);
    text[n] = '\0';
    if (n > 0)
        fprintf(stderr, "written to stderr: %s\n", text);
    return n == 0 ? 0 : -1;
}

#define SILENT(test) cmocka_unit_test_setup_teardown(test, catch_stderr, check_stderr)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SILENT(test_defaults),
        SILENT(test_values),
        SILENT(test_last_value_and_negation),
        SILENT(test_environment),
        SILENT(test_refuses_values),
        SILENT(test_refuses_lists),
        SILENT(test_refuses_long_texts),
        SILENT(test_failure_leaves_field),
        SILENT(test_refuses_lines),
        SILENT(test_keeps_first_error),
        SILENT(test_other_commands),
        SILENT(test_refuses_other_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
