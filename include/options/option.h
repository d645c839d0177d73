/*
 * option.h - one option, and the table that binds options to the fields of a struct
 *
 * A table says everything about each option once.  The command line, configuration files, presets,
 * --help and the list of effective options in a result file all go through it.  To add an option: a
 * field in include/options/options.h, a line in src/options/options_table.c, and its entry in
 * docs/bramble.1 and tools/completion.bash (tests/unit/test_options_text.c misses them otherwise).
 */
#ifndef BRAMBLE_OPTIONS_OPTION_H
#define BRAMBLE_OPTIONS_OPTION_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    OPTION_TEXT_BYTES = 4096,
    OPTION_LIST_MAX = 1024,
    OPTION_MAX = 96,             /* in a table, its end included */
    OPTION_ARGUMENTS_MAX = 4096, /* positional ones */
};

/* What an option holds, and the C type of its field. */
enum option_type {
    OPTION_FLAG = 1, /* bool: --name, --no-name; in files true or false */
    OPTION_WHOLE,    /* uint64_t: decimal digits, least..most */
    OPTION_REAL,     /* double: finite, low..high */
    OPTION_TEXT,     /* char[OPTION_TEXT_BYTES]: at least `least` characters */
    OPTION_WORD,     /* int: index of one of the words */
    OPTION_LIST,     /* option_list: "n1,n2,...", each least..most; empty: none */
    OPTION_CASE      /* option_case: "N:C", each least..most; empty: 0:0 */
};

/* A list of whole numbers. */
typedef struct option_list {
    size_t n;
    uint64_t values[OPTION_LIST_MAX];
} option_list;

/* A case of a study: so many nodes and so many cores in all. */
typedef struct option_case {
    uint64_t nodes, cores;
} option_case;

/* What --resume does with an option of the former start. */
enum option_resume {
    RESUME_SAME, /* the result depends on it: it cannot be changed */
    RESUME_FREE, /* it holds unless another is given */
    RESUME_NEW   /* it is of one start only */
};

/* A line of a table. */
typedef struct option_entry {
    const char *name; /* long name, without "--"; also the key in files; NULL ends a table */
    enum option_type type;
    size_t offset;                 /* of the field in the command's struct */
    uint64_t least, most;          /* OPTION_WHOLE, OPTION_LIST, OPTION_CASE; least: OPTION_TEXT */
    double low, high;              /* OPTION_REAL */
    const char *(*word)(size_t i); /* OPTION_WORD: the i-th word, NULL past the last */
    const char *initial;           /* default, as it would be given */
    const char *former;            /* what a record without it had; NULL: the initial value */
    const char *variable;          /* environment variable that replaces the default, or NULL */
    const char *metavar;           /* NULL for flags and words */
    const char *group;             /* heading in --help; NULL: the heading of the line before */
    const char *help;              /* what it means; --help adds the default */
    enum option_resume resume;     /* bramble train */
} option_entry;

/* OPTION_BIND - the members of an option_entry that tie it to a field, whose type gives its own */
#define OPTION_TYPE(field)                                                                         \
    _Generic((field),                                                                              \
        bool: OPTION_FLAG,                                                                         \
        uint64_t: OPTION_WHOLE,                                                                    \
        double: OPTION_REAL,                                                                       \
        char *: OPTION_TEXT,                                                                       \
        int: OPTION_WORD,                                                                          \
        option_list: OPTION_LIST,                                                                  \
        option_case: OPTION_CASE)
#define OPTION_BIND(struct_type, field)                                                            \
    .type = OPTION_TYPE(((struct_type *)0)->field), .offset = offsetof(struct_type, field)

/* Bounds that several tables use. */
#define OPTION_MAX_IMAGES UINT32_MAX
#define OPTION_MAX_SEED UINT64_MAX

/* option_train_table - the options of `bramble train` (src/options/options_table.c); others have their own files, too */
extern const option_entry option_train_table[];
extern const option_entry option_export_table[], option_import_table[], option_data_table[];

/* option_predict_table - those of `bramble predict` (src/options/predict_table.c) */
extern const option_entry option_predict_table[];

/* A subcommand. */
typedef struct option_command {
    const char *name;
    const char *summary;   /* one line */
    const char *arguments; /* positional arguments, one alternative a line; "" for none */
    size_t min_arguments, max_arguments;
    const char *about;    /* a paragraph for --help */
    const char *examples; /* lines for --help, below the options */
    const option_entry *options;
    bool has_presets;
} option_command;

/* option_commands - all subcommands, ended by one without a name (src/options/commands_table.c) */
extern const option_command option_commands[];

typedef struct option_setting {
    const char *name, *value;
} option_setting;

/* A named list of settings of `bramble train`. */
typedef struct option_preset {
    const char *name;
    const char *about;                   /* one line */
    option_setting settings[OPTION_MAX]; /* ended by one without a name */
} option_preset;

/* option_presets - all of them, ended by one without a name (src/options/presets.c) */
extern const option_preset option_presets[];

/* option_command_find, option_find - by name; NULL when there is none */
const option_command *option_command_find(const char *name);
const option_entry *option_find(const option_entry *table, const char *name);

/* option_former - the value that a run of a version without this option had */
const char *option_former(const option_entry *entry);

/*
 * option_set - give an option a value
 *   options  inout  the struct the table is bound to; untouched on failure
 *   value    in     as on a command line; "true" or "false" for flags
 * Returns false with err (user) "expected ...", to which the caller adds where.  Not collective.
 */
bool option_set(const option_entry *entry, void *options, const char *value, error *err);

/*
 * option_set_defaults - give every option of a table its default
 * Returns false with err (user) when the value of an environment variable will not do.
 */
bool option_set_defaults(const option_entry *table, void *options, error *err);

/*
 * option_format - the value of an option as option_set would take it
 *   text  out  OPTION_FORMAT_BYTES bytes
 */
enum { OPTION_FORMAT_BYTES = OPTION_LIST_MAX * 21 };
void option_format(const option_entry *entry, const void *options, char *text);

/* option_metavar - what stands for the value in usage texts: "B", "table|csv|json", "" for flags */
enum { OPTION_METAVAR_BYTES = 128 };
void option_metavar(const option_entry *entry, char text[OPTION_METAVAR_BYTES]);

/* option_whole - the number in text, nothing but digits, in least..most; false otherwise */
bool option_whole(const char *text, uint64_t least, uint64_t most, uint64_t *number);

/*
 * option_distance - how many characters to insert, delete or replace to make a of b; texts of more
 * than 63 characters are far from everything (SIZE_MAX)
 * Source: V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions, and
 * reversals", 1966.
 */
size_t option_distance(const char *a, const char *b);

/* option_nearest - the name in the table nearest to what was typed, NULL when none is near */
const char *option_nearest(const option_entry *table, const char *typed);

/* option_command_nearest - the same for subcommands */
const char *option_command_nearest(const char *typed);

/*
 * option_print_help - the help of a subcommand, from its table
 * Returns false with err (environment) when it cannot be written.  Not collective.
 */
bool option_print_help(const option_command *command, FILE *to, error *err);

enum parse_outcome {
    PARSE_RUN,   /* the options are filled in: go on */
    PARSE_DONE,  /* help was asked for, and printed if print was set: exit status 0 */
    PARSE_FAILED /* err describes it */
};

/* What a command line says, in the words of the user; everything points into argv. */
typedef struct option_line {
    const char *values[OPTION_MAX]; /* by line of the table; the last one given, or NULL */
    size_t n_arguments;
    const char *arguments[OPTION_ARGUMENTS_MAX];
} option_line;

/*
 * option_read_line - take a command line apart (argp underneath); values are not looked at yet
 *   argv   in  argc strings; argv[0] is not looked at
 *   print  in  whether --help is written to stdout or swallowed
 *   line   out  filled in when PARSE_RUN is returned, else unspecified
 * PARSE_FAILED with err: an unknown or ambiguous option, one without its value or with one it does
 * not take, too few or too many arguments (user); help cannot be written (environment).  Prints
 * nothing but help, and always returns.  Not collective.
 */
enum parse_outcome option_read_line(const option_command *command, int argc, char **argv,
                                    bool print, option_line *line, error *err);

#endif
