/* What --help, the manual and the completion say about the options is what the tables say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options/options.h"
#include "show/output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_BYTES = 1 << 16 };

static char manual[TEXT_BYTES], completion[TEXT_BYTES];
static char section[TEXT_BYTES], item[TEXT_BYTES]; /* pieces of them */

static int read_whole(const char *path, char *text)
{
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(text, 1, TEXT_BYTES - 1, file) : 0;
    text[n] = '\0';
    if (n == 0 || n == TEXT_BYTES - 1)
        fprintf(stderr, "%s cannot be read; tests run in the project's folder\n", path);
    if (file)
        fclose(file);
    return n > 0 && n < TEXT_BYTES - 1 ? 0 : -1;
}

static int read_texts(void **state)
{
    (void)state;
    return read_whole("docs/bramble.1", manual) || read_whole("tools/completion.bash", completion);
}

/* Copy the piece of text from a line that begins with `first` to the next that begins with one of
 * the ends; false when there is none. */
static bool find_piece(const char *text, const char *first, const char *const *ends, char *piece)
{
    const char *start = text;
    while (start && strncmp(start, first, strlen(first)) != 0) {
        start = strchr(start, '\n');
        start = start ? start + 1 : NULL;
    }
    if (!start)
        return false;
    const char *end = start;
    for (bool is_end = false; !is_end && (end = strchr(end, '\n'));) {
        end++;
        for (const char *const *mark = ends; *mark; mark++)
            is_end = is_end || strncmp(end, *mark, strlen(*mark)) == 0;
    }
    size_t length = end ? (size_t)(end - start) : strlen(start);
    memcpy(piece, start, length);
    piece[length] = '\0';
    return true;
}

/* word stands in text with nothing of a word before or behind it */
static bool has_word(const char *text, const char *word)
{
    static const char inside[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || !strchr(inside, at[-1])) &&
            (!at[strlen(word)] || !strchr(inside, at[strlen(word)])))
            return true;
    return false;
}

static void require(bool holds, const char *where, const char *command, const char *what)
{
    if (!holds)
        fail_msg("%s, %s: lacks %s", where, command, what);
}

/* ---- the manual ------------------------------------------------------------------------------ */

static void check_manual_entry(const char *command, const option_entry *entry)
{
    static const char *const ends[] = {".It ", ".El", NULL};
    static const char where[] = "docs/bramble.1";
    char first[80], wanted[128];
    snprintf(first, sizeof first, ".It Fl -%s%s", entry->name,
             entry->type == OPTION_FLAG ? "\n" : " ");
    require(find_piece(section, first, ends, item), where, command, entry->name);
    const char *initial = strstr(item, "Default: ");
    snprintf(wanted, sizeof wanted, "the default %s of --%s", entry->initial, entry->name);
    if (entry->type != OPTION_FLAG && *entry->initial)
        require(initial && has_word(initial, entry->initial), where, command, wanted);
    else
        require(!initial, where, command, "nothing, but has a default too many");
    if (entry->variable)
        require(has_word(initial, entry->variable), where, command, entry->variable);
    for (size_t i = 0; entry->word && entry->word(i); i++)
        require(has_word(item, entry->word(i)), where, command, entry->word(i));
}

static void test_manual(void **state)
{
    (void)state;
    static const char *const ends[] = {".Ss ", ".Sh ", NULL};
    for (const option_command *command = option_commands; command->name; command++) {
        char first[80];
        snprintf(first, sizeof first, ".Ss %s\n", command->name);
        require(find_piece(manual, first, ends, section), "docs/bramble.1", command->name,
                "its section");
        size_t n_items = 0, n_entries = 0;
        for (const option_entry *entry = command->options; entry->name; entry++, n_entries++)
            check_manual_entry(command->name, entry);
        for (const char *at = section; (at = strstr(at, "\n.It Fl ")); at++)
            n_items++;
        assert_int_equal(n_items, n_entries); /* and nothing that does not exist */
    }
}

static void test_manual_presets(void **state)
{
    (void)state;
    static const char *const ends[] = {".It Cm ", ".El", NULL};
    for (const option_preset *preset = option_presets; preset->name; preset++) {
        char first[80];
        snprintf(first, sizeof first, ".It Cm %s\n", preset->name);
        require(find_piece(manual, first, ends, item), "docs/bramble.1", "presets", preset->name);
        size_t n_lines = 0, n_settings = 0;
        for (const option_setting *setting = preset->settings; setting->name; setting++) {
            char line[128];
            snprintf(line, sizeof line, "\n%s = %s\n", setting->name, setting->value);
            require(strstr(item, line), "docs/bramble.1", preset->name, line);
            n_settings++;
        }
        for (const char *line = item; (line = strstr(line, " = ")); line++)
            n_lines++;
        assert_int_equal(n_lines, n_settings);
    }
}

/* ---- completion ------------------------------------------------------------------------------ */

static void test_completion(void **state)
{
    (void)state;
    static const char *const ends[] = {"    esac", NULL}, *const next[] = {
                                                              "    test)",   "    predict)",
                                                              "    report)", "    plan)",
                                                              "    watch)",  "    info)",
                                                              "    data)",   "    export)",
                                                              "    import)", "    doctor)",
                                                              NULL};
    static const char where[] = "tools/completion.bash";
    require(find_piece(completion, "_bramble_options()", ends, section), where, "all", "options");
    for (const option_command *command = option_commands; command->name; command++) {
        char text[80];
        snprintf(text, sizeof text, "    %s)", command->name);
        require(find_piece(section, text, next, item), where, command->name, "its options");
        size_t n_names = 0, n_entries = 1; /* --help */
        for (const option_entry *entry = command->options; entry->name; entry++, n_entries++) {
            snprintf(text, sizeof text, "--%s", entry->name);
            require(has_word(item, text), where, command->name, text);
        }
        for (const char *at = item; (at = strstr(at, " --")); at++)
            n_names++;
        assert_int_equal(n_names, n_entries);
    }
}

/* Is it an option with a value in another command? */
static bool is_value_elsewhere(const char *name)
{
    for (const option_command *command = option_commands; command->name; command++) {
        const option_entry *entry = option_find(command->options, name);
        if (entry && entry->type != OPTION_FLAG)
            return true;
    }
    return false;
}

static void check_completion_value(const char *command, const option_entry *entry)
{
    static const char *const next[] = {"", NULL};
    static const char where[] = "tools/completion.bash";
    char name[80], first[80];
    snprintf(name, sizeof name, "--%s", entry->name);
    if (entry->type == OPTION_FLAG && is_value_elsewhere(entry->name)) {
        snprintf(first, sizeof first, "== %s && $1 == --%s ]] && return 1", command, entry->name);
        require(strstr(section, first), where, "values", first);
        return;
    }
    require(has_word(section, name) == (entry->type != OPTION_FLAG), where, "values", name);
    if (!entry->word)
        return;
    snprintf(first, sizeof first, "    --%s)", entry->name);
    require(find_piece(section, first, next, item), where, "values", name);
    for (size_t i = 0; entry->word(i); i++)
        require(has_word(item, entry->word(i)), where, name, entry->word(i));
}

static void test_completion_values(void **state)
{
    (void)state;
    static const char *const ends[] = {"    *) return 1", NULL};
    require(find_piece(completion, "_bramble_value()", ends, section), "tools/completion.bash",
            "all", "values");
    for (const option_command *command = option_commands; command->name; command++)
        for (const option_entry *entry = command->options; entry->name; entry++)
            check_completion_value(command->name, entry);
}

/* ---- help ------------------------------------------------------------------------------------ */

static void test_help(void **state)
{
    (void)state;
    static char text[TEXT_BYTES];
    for (const option_command *command = option_commands; command->name; command++) {
        FILE *to = fmemopen(text, sizeof text, "w");
        assert_non_null(to);
        assert_true(option_print_help(command, to, NULL));
        fclose(to);
        for (const option_entry *entry = command->options; entry->name; entry++) {
            char name[160], metavar[OPTION_METAVAR_BYTES];
            option_metavar(entry, metavar);
            snprintf(name, sizeof name, "      --%s%s%s", entry->name, *metavar ? "=" : "",
                     metavar);
            require(strstr(text, name), "help", command->name, name);
        }
        require(strstr(text, "  bramble "), "help", command->name, "an example");
        assert_null(strstr(text, "--no-quiet"));
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t blanks = strspn(line, " ");
            assert_true(strcspn(line, "\n") < 80);
            /* Of some texts glibc's argp loses its place: another length helps. */
            if (strncmp(line + blanks, "--", 2) == 0 && blanks != 6 && blanks != 29)
                fail_msg("%s --help: not in its column: %.60s", command->name, line);
        }
    }
}

/* What option_read_line writes to stdout for a line of two words. */
static size_t catch_help(const char *option, bool print, enum parse_outcome *outcome)
{
    static option_line read;
    char command[] = "train", word[32], other[] = "--batch=x",
         *words[] = {command, word, other, NULL};
    snprintf(word, sizeof word, "%s", option);
    fflush(stdout);
    FILE *caught = tmpfile();
    int saved = dup(STDOUT_FILENO);
    assert_true(caught && saved >= 0 && dup2(fileno(caught), STDOUT_FILENO) >= 0);
    *outcome = option_read_line(option_command_find("train"), 3, words, print, &read, NULL);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    fseek(caught, 0, SEEK_END);
    long n = ftell(caught);
    fclose(caught);
    return (size_t)n;
}

static void test_help_is_asked_for(void **state)
{
    (void)state;
    enum parse_outcome outcome;
    assert_true(catch_help("--help", true, &outcome) > 1000);
    assert_int_equal(outcome, PARSE_DONE);
    assert_true(catch_help("-h", true, &outcome) > 1000);
    assert_int_equal(outcome, PARSE_DONE);
    assert_int_equal(catch_help("--help", false, &outcome), 0);
    assert_int_equal(outcome, PARSE_DONE);
    assert_int_equal(catch_help("--bogus", true, &outcome), 0);
    assert_int_equal(outcome, PARSE_FAILED);
}

static void test_help_to_full_disk(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    error err = {0};
    assert_false(option_print_help(option_command_find("info"), full, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
    fclose(full);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(option_distance("", ""), 0);
    assert_int_equal(option_distance("batch", "batch"), 0);
    assert_int_equal(option_distance("batch", ""), 5);
    assert_int_equal(option_distance("kitten", "sitting"), 3);
    assert_int_equal(option_distance("sunday", "saturday"), 3);
    char longest[65];
    memset(longest, 'a', 64);
    longest[64] = '\0';
    assert_true(option_distance("a", longest) == SIZE_MAX);
    assert_int_equal(option_distance("a", longest + 1), 62);
    assert_string_equal(option_command_nearest("tran"), "train");
    assert_null(option_command_nearest("compile"));
    assert_null(option_nearest(option_train_table, ""));
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void test_summary_as_json(void **state)
{
    (void)state;
    const record_summary summary = {.t_time_s = 12.5,
                                    .w_time_s = 10,
                                    .o_time_s = 2.5,
                                    .work_fraction = 0.8,
                                    .overhead_fraction = 0.2,
                                    .speedup = NAN,
                                    .accuracy = 0.1,
                                    .accuracy_tta = 0.2,
                                    .accuracy_validation = NAN,
                                    .images_per_s = INFINITY,
                                    .o_pack_s = 0.5,
                                    .o_wire_s = 0.25,
                                    .o_wait_s = 1,
                                    .o_serve_s = 0.5,
                                    .o_other_s = 0.25,
                                    .bytes_sent = 4e6,
                                    .nodes = 3,
                                    .cores = 6,
                                    .repeats = 1};
    char text[1024];
    FILE *to = fmemopen(text, sizeof text, "w");
    assert_non_null(to);
    assert_true(output_json(output_summary(&summary), to, NULL));
    fclose(to);
    assert_string_equal(text,
                        "{\n  \"t_time_s\": 12.5,\n  \"w_time_s\": 10.0,\n  \"o_time_s\": 2.5,\n"
                        "  \"work_fraction\": 0.8,\n  \"overhead_fraction\": 0.2,\n"
                        "  \"speedup\": null,\n  \"accuracy\": 0.1,\n"
                        "  \"accuracy_tta\": 0.2,\n  \"accuracy_validation\": null,\n"
                        "  \"images_per_s\": null,\n  \"o_pack_s\": 0.5,\n  \"o_wire_s\": 0.25,\n"
                        "  \"o_wait_s\": 1.0,\n  \"o_serve_s\": 0.5,\n  \"o_other_s\": 0.25,\n"
                        "  \"bytes_sent\": 4000000.0,\n  \"nodes\": 3,\n  \"cores\": 6,\n"
                        "  \"repeats\": 1\n}\n");
    error err = {0};
    assert_false(output_json(NULL, stdout, &err));
    assert_int_equal(err.kind, ERROR_ENVIRONMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manual),
        cmocka_unit_test(test_manual_presets),
        cmocka_unit_test(test_completion),
        cmocka_unit_test(test_completion_values),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_is_asked_for),
        cmocka_unit_test(test_help_to_full_disk),
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_summary_as_json),
    };
    return cmocka_run_group_tests(tests, read_texts, NULL);
}
