/* Defaults, presets, configuration files and the command line: what goes before what. */
#include "model/schedule.h"
#include "parse_train.h"

/* ---- precedence ------------------------------------------------------------------------------ */

static void test_precedence(void **state)
{
    (void)state;
    assert_int_equal(parse("--preset fast")->average_every, 16);
    assert_true(options.nesterov && options.schedule == SCHEDULE_LINEAR);
    assert_string_equal(option_presets[options.preset - 1].name, "fast");

    config_text = "batch = 64\n[train]\nnesterov = off\n; a comment\nwarmup = 2\n";
    static const char *const orders[] = {"--preset fast --config run.ini --warmup 3",
                                         "--warmup 3 --config run.ini --preset fast",
                                         "--config run.ini --warmup 3 --preset fast"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        n_reads = 0;
        const train_options *o = parse(orders[i]);
        assert_int_equal(n_reads, 1);
        assert_int_equal(o->average_every, 16); /* preset */
        assert_int_equal(o->batch, 64);         /* file over preset */
        assert_false(o->nesterov);
        assert_true(o->warmup == 3); /* command line over file over preset */
        assert_int_equal(o->eval_every, 0);
        assert_string_equal(o->config, "run.ini");
    }
}

static void test_preset_in_file(void **state)
{
    (void)state;
    config_text = "rounds = 77\npreset = fast\n";
    assert_int_equal(parse("--config run.ini")->average_every, 16);
    assert_int_equal(options.rounds, 77);
    assert_int_equal(parse("--config run.ini --preset paper")->average_every, 0);
    assert_string_equal(option_presets[options.preset - 1].name, "paper");
    assert_int_equal(parse("--config run.ini --preset none")->preset, 0);
    assert_true(options.lr == 0.001);
}

/* What a preset sets of an optimizer goes with it, and comes back in a line; what somebody gives has to count. */
static void test_preset_of_another_optimizer(void **state)
{
    (void)state;
    assert_true(parse("--preset resnet8")->muon_lr == 0.02);
    const double muon_lr = parse("")->muon_lr;
    assert_true(muon_lr != 0.02);
    assert_true(parse("--preset lenet --optimizer sgd")->muon_lr == muon_lr);
    assert_false(options.muon_dense);
    assert_true(options.lr == 0.03 && options.batch == 64);
    config_text = "preset = resnet8\noptimizer = adamw\n";
    assert_true(parse("--config run.ini")->muon_lr == muon_lr);
    assert_true(parse("--config run.ini --optimizer muon")->muon_lr == 0.02);
    assert_refused("--preset resnet8 --optimizer sgd --muon-lr 0.02",
                   "--muon-lr counts only with --optimizer muon, which is sgd");
    config_text = "muon-lr = 0.3\n";
    assert_refused("--preset resnet8 --config run.ini --optimizer sgd",
                   "--muon-lr counts only with --optimizer muon, which is sgd");
}

static void test_preset_that_excludes(void **state)
{
    (void)state;
    assert_refused(
        "--preset fast --ema 0.9",
        "--ema and --tail-average exclude each other, and preset fast has tail-average; add --tail-average 0");
    assert_true(parse("--preset fast --ema 0.9 --tail-average 0")->ema == 0.9);
    assert_refused(
        "--preset fast --control-variates",
        "--control-variates and --keep-momentum exclude each other, and preset fast has keep-momentum; add "
        "--no-keep-momentum");
    assert_refused("--preset fast --ema 0.9 --tail-average 0.5",
                   "--ema and --tail-average exclude each other; leave one out");
}

static void test_round_length(void **state)
{
    (void)state;
    assert_int_equal(parse("--local-steps 5")->local_steps, 5);
    assert_int_equal(options.local_epochs, 0);
    config_text = "local-steps = 9";
    assert_int_equal(parse("--preset paper --config run.ini")->local_steps, 9); /* preset: epochs */
    assert_int_equal(options.local_epochs, 0);
    assert_int_equal(parse("--config run.ini --local-epochs 2")->local_epochs, 2);
    assert_int_equal(options.local_steps, 0);
    assert_int_equal(parse("--config run.ini --local-steps 0")->local_epochs, 1);
    assert_int_equal(options.local_steps, 0);
    assert_int_equal(parse("--config run.ini --local-epochs 0")->local_steps, 9);
    assert_int_equal(parse("--local-epochs 0 --local-steps 4")->local_steps, 4);
    assert_refused("--local-epochs 1 --local-steps 5",
                   "--local-epochs and --local-steps exclude each other; give one");
    assert_refused("--local-epochs 0", "--local-epochs 0 needs --local-steps above 0");
    assert_refused("--config run.ini --local-epochs 0 --local-steps 0",
                   "--local-epochs 0 needs --local-steps above 0");
    config_text = "local-steps = 9\nlocal-epochs = 1\n";
    assert_refused("--config run.ini",
                   "run.ini: --local-epochs and --local-steps exclude each other; give one");
}

static void test_refuses_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"\n\nlr = x\n", "run.ini:3: lr = x: expected a number from 0 to 1000"},
        {"bach = 3\n", "run.ini:1: bach: unknown option; did you mean batch?"},
        {"local_steps = 3\n", "run.ini:1: local_steps: unknown option; did you mean local-steps?"},
        {"colour = 3\n", "run.ini:1: colour: unknown option; bramble train --help lists all"},
        {"no-quiet = 1\n", "run.ini:1: no-quiet: unknown option; bramble train --help lists all"},
        {"[train]\nlr = 1\nlr = 1\n", "run.ini:3: lr: given before, in line 2"},
        {"[model]\nlr = 1\n", "run.ini:2: section [model]: expected [train] or none"},
        {"config = b.ini\n", "run.ini:1: config: cannot stand in a file; give it on the command "
                             "line"},
        {"quiet = maybe\n", "run.ini:1: quiet = maybe: expected true or false"},
        {"preset = x\n",
         "run.ini:1: preset = x: expected none, paper, fast, lenet, fashion, resnet8, tiny, resnet20 or speed94"},
        {"lr\n", "run.ini:1: expected [section], name = value or ; comment"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config_text = cases[i].text;
        assert_refused("--config run.ini", cases[i].message);
    }
    assert_refused("--config none.ini", "none.ini: cannot be opened");
    n_reads = 0;
    parse("--rounds 2");
    parse("--config=");
    assert_int_equal(n_reads, 0);
}

/* ---- the record ------------------------------------------------------------------------------ */

/* The recorded options as a configuration file. */
static void write_file(const options_pairs *pairs, char *text, size_t size)
{
    FILE *to = fmemopen(text, size, "w");
    assert_non_null(to);
    for (size_t i = 0; i < pairs->n; i++)
        if (strcmp(pairs->pairs[i].name, "config") != 0)
            fprintf(to, "%s = %s\n", pairs->pairs[i].name, pairs->pairs[i].value);
    assert_int_equal(fclose(to), 0);
}

static void assert_same_again(const char *line)
{
    static char text[65536];
    options_pairs first, second;
    parse(line);
    assert_true(options_pairs_init(&first, &options, NULL));
    write_file(&first, text, sizeof text);
    config_text = text;
    parse("--config run.ini");
    strcpy(options.config, "");
    assert_true(options_pairs_init(&second, &options, NULL));
    assert_int_equal(first.n, second.n);
    for (size_t i = 0; i < first.n; i++) {
        assert_string_equal(first.pairs[i].name, second.pairs[i].name);
        assert_string_equal(first.pairs[i].value, second.pairs[i].value);
    }
    options_pairs_release(&first);
    options_pairs_release(&second);
}

static void test_pairs(void **state)
{
    (void)state;
    assert_same_again("");
    assert_same_again("--preset fast --local-steps 7 --lr 0.1 --warmup 0.30000000000000004");
    assert_same_again("--shards 1,22,333 --seed 18446744073709551615 --no-nesterov --force "
                      "--init a.h5:/b --average gather --schedule cosine --weight-decay 5e-4");
    options_pairs pairs;
    parse("--lr 0.1 --nesterov --shards 5,6 --average reduce");
    assert_true(options_pairs_init(&pairs, &options, NULL));
    size_t n = 0;
    for (const option_entry *entry = option_train_table; entry->name; entry++, n++)
        assert_string_equal(pairs.pairs[n].name, entry->name);
    assert_int_equal(pairs.n, n);
    for (size_t i = 0; i < n; i++) {
        const record_pair *pair = &pairs.pairs[i];
        if (strcmp(pair->name, "lr") == 0)
            assert_string_equal(pair->value, "0.1");
        if (strcmp(pair->name, "nesterov") == 0)
            assert_string_equal(pair->value, "true");
        if (strcmp(pair->name, "shards") == 0)
            assert_string_equal(pair->value, "5,6");
        if (strcmp(pair->name, "average") == 0)
            assert_string_equal(pair->value, "reduce");
    }
    options_pairs_release(&pairs);
}

/* Every setting of every preset takes effect, and none stands in one twice. */
static void test_presets(void **state)
{
    (void)state;
    for (const option_preset *preset = option_presets; preset->name; preset++) {
        char line[64];
        options_pairs pairs;
        snprintf(line, sizeof line, "--preset %s", preset->name);
        parse(line);
        assert_true(options_pairs_init(&pairs, &options, NULL));
        for (const option_setting *setting = preset->settings; setting->name; setting++) {
            const option_entry *entry = option_find(option_train_table, setting->name);
            assert_non_null(entry);
            assert_string_equal(pairs.pairs[entry - option_train_table].value, setting->value);
        }
        options_pairs_release(&pairs);
    }
}

static int unset_data(void **state)
{
    (void)state;
    return unsetenv("BRAMBLE_DATA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_preset_in_file),
        cmocka_unit_test(test_preset_of_another_optimizer),
        cmocka_unit_test(test_preset_that_excludes),
        cmocka_unit_test(test_round_length),
        cmocka_unit_test(test_refuses_files),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests(tests, unset_data, NULL);
}
