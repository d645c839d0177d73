/*
 * record.h - the result file: written while a run goes on, readable at every moment
 *
 * The whole structure of the file is made before the run starts, under a temporary name, with contiguous
 * datasets of their final size, filled with NaN (floats) or -1 (integers).  It then gets its final name,
 * is closed, and from there on only raw data is written into space that already exists, at the offsets
 * HDF5 reports (H5Dget_offset).  Whatever dies whenever, the file is a valid, closed HDF5 file which any
 * reader may open, also while the run goes on; /rounds/n_done says how many rows count.
 * docs/results.md describes every dataset.  src/record is the only code that knows <hdf5.h>.
 */
#ifndef BRAMBLE_RECORD_RECORD_H
#define BRAMBLE_RECORD_RECORD_H

#include "base/clock.h"
#include "base/error.h"
#include "base/tensor.h"
#include "record/images.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A name and a value, for /config and /build: stored as string attributes of the group. */
typedef struct record_pair {
    const char *name, *value;
} record_pair;

/* A row of /machine: one rank. */
typedef struct record_machine {
    int32_t rank, threads, cores, is_server, is_worker;
    int32_t fused; /* has simd fused multiply-adds? */
    char host[64], cpu[96], binding[64], simd[16];
    double memory_bytes, clock_max_mhz;
    double cpu_quota; /* cores; NaN without a limit */
} record_machine;

/* A row of /rounds: one round. */
typedef struct record_round {
    double t_end_s; /* since the first step, when the average was there */
    double images;  /* seen by all workers in this round */
    double epochs; /* times over the training images since the start; the column is called passes */
    double lr;     /* learning rate of the last step */
    double loss;   /* training: mean over the images of the round */
    double accuracy; /* training: share of them classified rightly, before each step's update */
} record_round;

/* A row of /rounds/ranks: one rank in one round. */
typedef struct record_rank {
    double t_phase_s[PHASE_COUNT];
    double images, loss, accuracy, steps;
    double skipped; /* averages its weights were left out of */
    double bytes_sent;
    /* seen last, lowest, highest, all flags; NaN where the system does not tell */
    double clock_mhz, clock_min_mhz, temperature_c, throttled;
    double peak_rss_bytes;
} record_rank;

/* A row of /clients: one client, as it was trained last. */
typedef struct record_client {
    int32_t rank;        /* of the worker */
    int32_t test_images; /* of its own */
} record_client;

/* A row of /rounds/clients: one client in one round. */
typedef struct record_client_round {
    double images, loss, accuracy, steps; /* as a rank's; images 0: it sat out */
    double test_accuracy; /* of what all go on from, on images of its own; NaN: not tested */
    double own_accuracy;  /* on the same, of its own weights before the average; NaN: not tested */
} record_client_round;

/* /test of one round: the server's evaluation of the model after it. */
typedef struct record_test {
    double loss, accuracy;
    double loss_validation, accuracy_validation; /* on images held out; NaN: there are none */
} record_test;

/* /summary; the names are also the keys of JSON output (docs/results.md). */
typedef struct record_summary {
    double t_time_s, w_time_s, o_time_s, work_fraction, overhead_fraction;
    double o_pack_s, o_wire_s, o_wait_s, o_serve_s, o_other_s; /* they add up to o_time_s */
    double speedup;      /* NaN within one run: it needs a base case (bramble report) */
    double accuracy;     /* of the final model on the test set */
    double accuracy_tta; /* the same, by the mean of several views of an image; NaN without --tta */
    double accuracy_validation; /* on training images held out; NaN: there are none */
    /* least, quartiles and most of the clients, of the last round's average on images of their own; NaN: not tested */
    double accuracy_clients_min, accuracy_clients_q1, accuracy_clients_median, accuracy_clients_q3,
        accuracy_clients_max;
    double loss; /* on the test set */
    double images_per_s, bytes_sent;
    double nodes, cores, repeats; /* worker hosts or ranks: see docs/results.md; threads; 1 */
    double t_start_s, t_start_mpi_s, t_start_data_s; /* until the first step, and two parts of it */
    double t_target_s;                               /* target accuracy known, or NaN */
    double server_cpu_fraction; /* of the server's time outside evaluation and start-up */
    double rounds;
    double complete; /* 1 when the run came to its end */
} record_summary;

/* /progress: where a run is that goes on; NaN what there is none of. */
typedef struct record_progress {
    double round;        /* 0-based, that is going on */
    double images;       /* done in it by all workers */
    double round_images; /* that it takes, about */
    double tested;       /* share of the test that everything waits for */
    double t_s;          /* since the first step, when this was written */
    double t_tests_s;    /* of tests still to come that everything waits for, about */
} record_progress;

/* A row of /stalls: a rank showed no progress. */
typedef struct record_stall {
    double n;       /* how often */
    double round;   /* 0-based, the last time */
    double t_s;     /* without a sign of life, when that was noticed the last time */
    char phase[16]; /* in which it was then */
} record_stall;

/* A row of /interruptions: the run ended and went on from a checkpoint. */
typedef struct record_interruption {
    double rounds;   /* done when it went on */
    double t_lost_s; /* from the end of the last of them until it went on */
    double workers_before, workers_after;
    double signal; /* that stopped the run; 0: none, it just ended */
} record_interruption;

struct record_file;

typedef struct record_plan {
    size_t n_rounds, n_ranks;
    size_t n_present; /* of the ranks, the first: those record_add_round gets rows of; 0: all */
    const tensor *tensors; /* n_tensors, in order of offset, covering n_weights floats */
    size_t n_tensors, n_weights;
    int n_classes;
    const char *const *class_names; /* n_classes */
    const record_pair *config;      /* n_config: every effective option */
    size_t n_config;
    const record_pair *build; /* n_build */
    size_t n_build;
    const record_machine *machines; /* n_ranks */
    const char *model_text;         /* the model's INI file */
    const struct record_file *past; /* rows the file begins with, or NULL; at most n_ranks ranks */
    const record_interruption *interruptions; /* n_interruptions */
    size_t n_interruptions;
    size_t n_clients;                         /* that have rows; 0: none, each rank's tell */
    const struct checkpoint_plan *checkpoint; /* checkpoint.h; for checkpoint_new, else NULL */
    const char *option; /* what names the file's place, in messages; NULL: --out */
} record_plan;

/* /model/round while there is no whole model: before the first, and while one replaces another. */
enum { RECORD_NO_MODEL = -2 };

typedef struct record record;

/*
 * record_check_new - would record_create succeed?  Path's folder exists and is writable, and nothing
 * stands at path unless force.  false with err: exists (user: "... exists; choose another --out or add
 * --force"), is being written or is no regular file, even with force (user), no such folder (user), not
 * writable (environment).  Not collective.
 */
bool record_check_new(const char *path, bool force, error *err);

/*
 * record_create - make the file, complete in structure, under its final name
 * Without force an existing file is never replaced, also not one that appears in the meantime (link(2)).
 * With force the file that stands there stays until the new one has its name for sure.
 * Returns NULL with err: as record_check_new; a file that another run is writing, also with force
 * (user); more rounds than fit in 4 GiB (user); disk full or any HDF5 failure (environment); then no file
 * of ours is left behind.  n_rounds, n_ranks and n_classes are at least 1.  Not collective: the server's.
 */
record *record_create(const char *path, bool force, const record_plan *plan, error *err);

/*
 * record_add_round - write row `round` (0-based, at most the number of rows done) and its ranks (those
 *                    present), then count it as done
 * record_add_test  - the evaluation after a round (any order, any time after its row)
 * record_add_weights - the present model; `round` is the 0-based round it is the result of, -1 for none;
 *                    a reader sees /model/round RECORD_NO_MODEL while the numbers are being replaced
 * record_add_confusion - n_classes x n_classes counts, [true][predicted], of the model tested last
 * record_add_shards - of the first n_ranks ranks n_classes counts each: training images
 * record_add_clients - who has which of them: the rows, and of each n_classes counts; where the plan has clients
 * record_add_client_rounds - the rows of a round, before record_add_round's
 * record_add_summary - may be called again
 * record_add_stall - the row of a rank; may be called again
 * record_add_progress - may be called again
 * record_sync - what was added is on the disk; also from another thread, while this one adds.
 *               record_add_summary and record_close do it themselves
 * All: false with err (environment: file and cause).  Not collective.
 */
bool record_add_round(record *self, size_t round, const record_round *row, const record_rank *ranks,
                      error *err);
bool record_add_test(record *self, size_t round, const record_test *row, error *err);
bool record_add_weights(record *self, int64_t round, const float *w, error *err);
bool record_add_confusion(record *self, const int64_t *counts, error *err);
bool record_add_shards(record *self, const int64_t *labels, size_t n_ranks, error *err);
bool record_add_clients(record *self, const record_client *rows, const int64_t *labels, error *err);
bool record_add_client_rounds(record *self, size_t round, const record_client_round *rows,
                              error *err);
bool record_add_summary(record *self, const record_summary *summary, error *err);
bool record_add_stall(record *self, size_t rank, const record_stall *row, error *err);
bool record_add_progress(record *self, const record_progress *progress, error *err);
bool record_sync(record *self, error *err);

/* record_close - fsync and close; NULL is legal.  false with err (environment), once for each record. */
bool record_close(record *self, error *err);

/* ---- reading ----------------------------------------------------------------------------------- */

/* What a result file holds, but for the weights. */
typedef struct record_file {
    record_summary summary;
    record_progress progress;                   /* all NaN in files of former versions */
    size_t n_rounds_planned, n_rounds, n_ranks; /* n_rounds: done */
    record_round *rounds;                       /* n_rounds */
    record_rank *ranks;                         /* n_rounds x n_ranks */
    record_test *tests;                         /* n_rounds; NaN where not evaluated */
    record_machine *machines;                   /* n_ranks */
    record_pair *config, *build;
    size_t n_config, n_build;
    tensor *tensors; /* what stands under /model */
    size_t n_tensors;
    int64_t model_round; /* -1: initial weights; RECORD_NO_MODEL */
    char *model_text;
    int n_classes;
    int64_t *labels;    /* n_ranks x n_classes training images; -1 when not written */
    int64_t *confusion; /* n_classes x n_classes; -1 when not written */
    char (*class_names)[RECORD_CLASS_BYTES];
    record_interruption *interruptions; /* n_interruptions */
    size_t n_interruptions;
    size_t n_clients; /* 0: the file has none */
    record_client *clients;
    int64_t *client_labels;             /* n_clients x n_classes */
    record_client_round *client_rounds; /* n_rounds x n_clients */
} record_file;

/*
 * record_read - read all of a result file but its weights; release with record_file_free
 * Nothing in the file is trusted: sizes are bounded before memory is taken.
 * Returns NULL with err (user): cannot be opened, no HDF5 file, not one of Bramble's (the missing or
 * misshapen object is named).  Not collective.
 */
record_file *record_read(const char *path, error *err);

/* record_read_rounds - the same, but only sizes, rounds, tests, summary and progress: for who looks again and again */
record_file *record_read_rounds(const char *path, error *err);

/* record_is_written - is a run writing the file at path?  No, where the file system knows no locks. */
bool record_is_written(const char *path);

void record_file_free(record_file *self);

/* record_simulated - what has simulated the run, and as what (base/world.h), its entry of that name in /build; "" for a run
 * that was measured.  Whoever shows a run's times shows this with them. */
const char *record_simulated(const record_file *self);

/* record_config, record_build - value of a /config or /build entry, or NULL */
const char *record_config(const record_file *self, const char *name);
const char *record_build(const record_file *self, const char *name);

/*
 * record_cut_group - cut "FILE:/group" in two, in place: at the last ":/" with a file before it, else at
 * the last one of all.  Returns the group, "/..." within path, or NULL when none is given.
 */
char *record_cut_group(char *path);

/*
 * record_read_weights - the weights named in `tensors` from a result file or any HDF5 file with datasets
 * of those names and shapes (as PyTorch's state_dict saved through h5py)
 *   path  in   "FILE" or "FILE:/group"; without a group /model when there is one, else /
 *   w     out  flat vector
 * Returns false with err (user), w unspecified: not readable, not HDF5, a dataset missing, never written, of
 * another shape or type class, a value that is NaN or infinite (named); /model of a run that never wrote it.
 * Not collective.
 */
bool record_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err);

/* record_version - name and version of the HDF5 library, one line */
const char *record_version(void);

#endif
