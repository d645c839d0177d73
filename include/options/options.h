/*
 * options.h - the command lines of the subcommands
 *
 * Each options_parse_* fills one struct from argc and argv, where argv[0] is the name of the
 * subcommand; what ranks do together is read first and set later, when all have compared.  None prints a
 * complaint or leaves the program: every rank of a job parses the same command line, and the caller decides who speaks.
 *
 * Precedence in `bramble train`, whatever the order on the command line: defaults < preset <
 * --config file < command line.  An option given twice on one level has its last value there; a
 * file may give it once.
 */
#ifndef BRAMBLE_OPTIONS_OPTIONS_H
#define BRAMBLE_OPTIONS_OPTIONS_H

#include "base/error.h"
#include "model/outer.h"
#include "options/option.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

/* bramble train; options not mentioned here are explained in docs/bramble.1 */
typedef struct train_options {
    char data[OPTION_TEXT_BYTES];      /* for source_open; never empty */
    char model[OPTION_TEXT_BYTES];     /* a path, or a bare name for models/NAME.ini; never empty */
    char init[OPTION_TEXT_BYTES];      /* for record_read_weights; empty: none */
    uint64_t limit_train, limit_test;  /* images; 0: all */
    char partition[OPTION_TEXT_BYTES]; /* for partition_parse */
    option_list shards;                /* images of each worker; n = 0: as partition says */
    int order;                         /* enum sampler_order */
    int deal;                          /* enum deal; in the files' order with ORDER_SEQUENTIAL */
    uint64_t validate;                 /* training images held out; 0: none */
    char augment[OPTION_TEXT_BYTES];   /* for augment_parse; empty: none */
    char
        normalise[OPTION_TEXT_BYTES]; /* for normalise_set or _measure; empty: see deal_normalise */
    uint64_t seed;

    uint64_t rounds;       /* >= 1 */
    uint64_t local_epochs; /* exactly one of these two is 0 */
    uint64_t local_steps;
    uint64_t average_every; /* local steps between averages inside a round; 0: only at its end */
    /* share of a round's averages whose mean (SWA) is its model; 0: the last */
    double tail_average;
    uint64_t reestimate; /* training images to measure statistics with before a test; 0: none */
    uint64_t batch;      /* 1..65536 */
    double lr;           /* at its highest */
    int schedule;        /* enum schedule_kind */
    double warmup;       /* rounds */
    double lr_start, lr_final; /* of lr: where the warm-up begins, and the end; schedule.h */
    option_list milestones;    /* rounds */
    double gamma;
    double label_smoothing;
    int optimizer; /* index into optimizer_rules */
    double momentum, weight_decay;
    bool nesterov, decoupled, keep_momentum, muon_dense;
    double beta1, beta2, epsilon;
    double muon_lr, muon_momentum;
    double clip_norm;       /* 0: none */
    double ema;             /* decay; 0: none */
    int sync;               /* enum sync */
    double target_accuracy; /* 0..1; 0: none */

    int average;         /* index into average_rules */
    uint64_t group_size; /* workers of a group, of a rule that has them; 0: average_group */
    char aggregate[OPTION_TEXT_BYTES]; /* for aggregate_parse */
    uint64_t clients;                  /* that workers train; 0: each is one */
    double eval_clients;               /* share of a client's images that it tests with; 0: none */
    double participation;              /* share of the clients in a round, above 0 */
    uint64_t min_workers;              /* at least so many of them */
    double proximal;                   /* 0: none */
    bool normalize_steps, control_variates, local_statistics;
    double clip_update, noise; /* as in privacy; 0: none */
    int server_optimizer;      /* index into outer_rules */
    double lookahead;          /* outer_settings' keep; 0: none */
    outer_settings server;
    uint64_t threads;    /* 0: the cores the rank is bound to */
    int isa;             /* for engine_choose */
    option_case label;   /* --case; 0:0: workers and their threads */
    uint64_t eval_every; /* rounds; 0: automatic */
    int tta;             /* enum views_kind */

    char out[OPTION_TEXT_BYTES]; /* empty: bramble-<UTC date and time>.h5 */
    bool force, quiet, json;

    char checkpoint[OPTION_TEXT_BYTES];       /* empty: none */
    char checkpoint_every[OPTION_TEXT_BYTES]; /* see options_checkpoint_interval */
    char resume[OPTION_TEXT_BYTES];           /* for checkpoint_read; empty: start anew */
    double stall;                             /* s; 0: do not look */
    int on_nan;                               /* enum on_nan */

    int preset;                     /* 0: none, else option_presets[preset - 1] */
    char config[OPTION_TEXT_BYTES]; /* empty: none */

    unsigned char given[OPTION_MAX]; /* by line of the table: enum option_level */
} train_options;

/* Who said what an option is: nobody, a preset, a file or the command line. */
enum option_level { LEVEL_DEFAULT, LEVEL_PRESET, LEVEL_GIVEN };

enum deal { DEAL_AUTO, DEAL_SHUFFLED, DEAL_CONTIGUOUS, DEAL_ALL };
enum sync { SYNC_WEIGHTS, SYNC_GRADIENTS };
enum on_nan { ON_NAN_STOP, ON_NAN_SKIP };

/*
 * options_checkpoint_interval - "3" is every 3 rounds, "30s" every 30 seconds
 * One of the two becomes 0.  Returns false with err (user).
 */
bool options_checkpoint_interval(const char *text, uint64_t *rounds, double *t_s, error *err);

/* bramble test */
typedef struct test_options {
    const char *file; /* FILE.h5 or FILE.h5:/group; points into argv */
    char data[OPTION_TEXT_BYTES];
    char model[OPTION_TEXT_BYTES]; /* empty: the model text in the file */
    uint64_t limit_test, threads, seed;
    char normalise[OPTION_TEXT_BYTES]; /* empty: as in the file, else half */
    int tta;                           /* enum views_kind */
    int isa;
    bool json;
} test_options;

/* bramble predict */
typedef struct predict_options {
    const char *file; /* FILE.h5 or FILE.h5:/group; points into argv */
    size_t n_pictures;
    const char
        *pictures[OPTION_ARGUMENTS_MAX]; /* files, folders; "-" alone: standard input; into argv */
    char model[OPTION_TEXT_BYTES], normalise[OPTION_TEXT_BYTES]; /* as for test */
    char classes[OPTION_TEXT_BYTES]; /* a file of names; empty: the model's own */
    uint64_t top, threads;           /* >= 1; 0: as for test */
    int tta;                         /* enum views_kind */
    int isa;                         /* for engine_choose */
    bool evaluate, json, csv;
    char sheet[OPTION_TEXT_BYTES]; /* empty: none */
    bool force;                    /* replace it */
} predict_options;

/* bramble doctor; as for train */
typedef struct doctor_options {
    char model[OPTION_TEXT_BYTES]; /* never empty */
    char data[OPTION_TEXT_BYTES];  /* never empty */
    uint64_t batch, threads;       /* 1..65536; 0: the cores the rank is bound to */
    int isa;
    char out[OPTION_TEXT_BYTES]; /* empty: no file */
    bool force, json;
} doctor_options;

enum report_format { REPORT_TABLE, REPORT_CSV, REPORT_JSON };

/* bramble report */
typedef struct report_options {
    size_t n_files;                          /* >= 1 */
    const char *files[OPTION_ARGUMENTS_MAX]; /* point into argv */
    int format;                              /* enum report_format */
    char by[OPTION_TEXT_BYTES];              /* for case_keys_set */
    char base[OPTION_TEXT_BYTES];            /* for cases_finish */
    bool rounds, ranks;                      /* for report_rows, instead of cases */
    bool labels, clients;          /* for report_labels, report_clients, instead of cases */
    char trace[OPTION_TEXT_BYTES]; /* for trace_write, instead of a report; empty: none */
} report_options;

enum { PLAN_NODES = 1024 }; /* workers a plan may be made for */

/* bramble plan */
typedef struct plan_options {
    size_t n_files;                          /* >= 1 */
    const char *files[OPTION_ARGUMENTS_MAX]; /* point into argv */
    int average;                             /* 0: as measured, else 1 + index into average_rules */
    uint64_t nodes;                          /* 0: as measured */
    double cores;                            /* of a node; 0: as measured */
    uint64_t local_steps, local_epochs;      /* between two averages; both 0: as measured */
    double link, link_measured;              /* Mbit/s; link 0: as measured */
    bool json;
} plan_options;

/* bramble watch */
typedef struct watch_options {
    const char *file; /* points into argv */
    double patience;  /* seconds without a file, or without a round while nobody writes it */
    bool web;         /* as a page in a browser */
    uint64_t port;    /* of the page; 0: one that is free */
    char bind[OPTION_TEXT_BYTES]; /* the address it listens on */
} watch_options;

/* bramble info */
typedef struct info_options {
    const char *file;              /* NULL: about this build and machine; points into argv */
    char model[OPTION_TEXT_BYTES]; /* "": none */
    bool dot, json;
} info_options;

enum data_action { DATA_CHECK, DATA_SYNTH, DATA_INFO, DATA_PACK, DATA_PARTITION, DATA_PICTURES };
enum { SYNTH_MAX = 50000 }; /* training images: five files of 10,000 */

/* bramble data check DIR, synth DIR [N], info DATA, pack DATA OUT.h5, partition DATA, pictures DATA DIR [N] */
typedef struct data_options {
    enum data_action action;
    const char *data; /* for source_open, or a folder; points into argv */
    const char *out;  /* DATA_PACK, DATA_PICTURES; points into argv */
    /* DATA_SYNTH: training images; 0: as many as the data set has by default.  DATA_PICTURES: of each split; 0: all */
    uint64_t n;
    uint64_t seed;
    uint64_t workers;                  /* DATA_PARTITION */
    char partition[OPTION_TEXT_BYTES]; /* the same: for partition_parse */
    int deal;                          /* the same: enum deal */
    bool json, force;                  /* DATA_INFO and _PARTITION; DATA_PACK */
} data_options;

/* bramble export RESULT.h5 OUT */
typedef struct export_options {
    const char *file, *out; /* for exchange_model_open and exchange_write; point into argv */
    bool force;
} export_options;

/* bramble import IN OUT.h5 */
typedef struct import_options {
    const char *file, *out;            /* point into argv */
    char model[OPTION_TEXT_BYTES];     /* a model file or a result file; empty: IN says it */
    char normalise[OPTION_TEXT_BYTES]; /* empty: as IN or the result file says, else half */
    bool force;
} import_options;

/*
 * options_set_train, options_set_doctor - from a command line that was read (option_read_line)
 *   text  in  what the file options_config(line) holds; NULL when there is none
 * false with err (user), one line, as "--batch abc: expected ..." or "run.ini:3: lr = x: expected ...".
 * options_config - the path of --config, or NULL
 * Not collective.
 */
const char *options_config(const option_line *line);
bool options_set_train(const option_line *line, const char *text, train_options *options,
                       error *err);
bool options_set_doctor(const option_line *line, doctor_options *options, error *err);

/*
 * options_parse_* - read a command line
 *   argv     in   argc strings; argv[0] is the subcommand's name, used in messages
 *   print    in   whether --help is written to stdout or swallowed
 *   options  out  filled in when PARSE_RUN is returned, else unspecified
 * PARSE_FAILED: err is one line, of kind user unless help cannot be written.  Not collective.  Not for
 * several threads at a time.
 */
enum parse_outcome options_parse_test(int argc, char **argv, bool print, test_options *options,
                                      error *err);
enum parse_outcome options_parse_predict(int argc, char **argv, bool print,
                                         predict_options *options, error *err);
enum parse_outcome options_parse_report(int argc, char **argv, bool print, report_options *options,
                                        error *err);
enum parse_outcome options_parse_plan(int argc, char **argv, bool print, plan_options *options,
                                      error *err);
enum parse_outcome options_parse_watch(int argc, char **argv, bool print, watch_options *options,
                                       error *err);
enum parse_outcome options_parse_info(int argc, char **argv, bool print, info_options *options,
                                      error *err);
enum parse_outcome options_parse_data(int argc, char **argv, bool print, data_options *options,
                                      error *err);
enum parse_outcome options_parse_export(int argc, char **argv, bool print, export_options *options,
                                        error *err);
enum parse_outcome options_parse_import(int argc, char **argv, bool print, import_options *options,
                                        error *err);

/* The effective options, for the record: name and value of every one, in the order of the table.
 * Given as a --config file, all but `config` make the same options again. */
typedef struct options_pairs {
    size_t n;
    record_pair pairs[OPTION_MAX];
    char *text; /* what the values point into */
} options_pairs;

/* options_pairs_init - list them; false with err (environment) when memory is out */
bool options_pairs_init(options_pairs *self, const train_options *options, error *err);
void options_pairs_release(options_pairs *self);

#endif
