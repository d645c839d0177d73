/*
 * checkpoint.h - a run at the end of a round, in a file from which it can go on
 *
 * A checkpoint is a result file (record.h) of the rounds so far plus /checkpoint: position of the run and
 * named vectors, as weights and momentum, and behind the last byte of HDF5's a length and a checksum of
 * everything.  Its structure is made once; to save is to copy numbers and bytes, without HDF5.
 */
#ifndef BRAMBLE_RECORD_CHECKPOINT_H
#define BRAMBLE_RECORD_CHECKPOINT_H

#include "record/record.h"

#define CHECKPOINT_PREVIOUS ".previous" /* behind the name: the one before */

/* Where a run stands, besides its rows. */
typedef struct record_position {
    int64_t n_workers, n_train, n_test;
    int64_t data_checksum;
    int64_t n_clients; /* -1 in files of former versions: as many as workers */
    int64_t signal;    /* that stopped the run; 0: none */
    double t_date_s;   /* end of the last round, seconds since 1970 */
} record_position;

/* Floats that a run goes on from: a vector of the run's, or one of each client's. */
typedef struct checkpoint_vector {
    const char *name, *about; /* of the dataset in /checkpoint; no column of the position's */
    bool per_client;          /* [n_clients][n], else [n] */
    size_t n;                 /* at least 1 */
    const float *values;      /* for checkpoint_take; checkpoint_new does not look at them */
} checkpoint_vector;

/* What a checkpoint has besides a result file's. */
typedef struct checkpoint_plan {
    const checkpoint_vector *vectors; /* n_vectors, each name once */
    size_t n_vectors, n_clients;
    const char *out; /* name of the result file */
} checkpoint_plan;

typedef struct checkpoint_state {
    record_position position;
    const checkpoint_vector *vectors; /* as planned, of as many clients */
    const float *model;               /* tested or to be tested: what /model holds; NULL: none */
    int64_t model_round;
} checkpoint_state;

typedef struct checkpoint checkpoint;

/*
 * checkpoint_new - check the place and make the structure, in a file without a name
 *   path   in  of the checkpoints; its folder must exist
 *   force  in  a file may stand there already: it is kept as the previous one if it is whole
 *   plan   in  as for record_create of the run's own file; plan->checkpoint is set
 * Returns NULL with err: a file stands there without force, or one that a run is writing, or no regular
 * file, or no such folder, or path.previous is too long a name, or path or path.previous is the run's result
 * file, plan->checkpoint->out (user); cannot be written, or no room for all that stands there at one moment,
 * which is then kept for the first saves (environment).  Not collective: the server's.
 */
checkpoint *checkpoint_new(const char *path, bool force, const record_plan *plan, error *err);
void checkpoint_free(checkpoint *self);

/*
 * checkpoint_take - take over what is to be saved, the rows done in `run` and state, into the file without
 *                   a name; nothing is synced
 * checkpoint_publish - write a checkpoint of it
 * A temporary file in the same folder is written, synced and renamed; what stood at path has the name
 * path.previous then.  After a failure both are what they were, unless only the folder cannot be synced.
 * The second may wait for the disk; another thread may do it, while nobody takes.
 * false with err (environment: file and cause).  Not collective.
 */
bool checkpoint_take(checkpoint *self, const record *run, const checkpoint_state *state,
                     error *err);
bool checkpoint_publish(checkpoint *self, error *err);

typedef struct checkpoint_values {
    char name[TENSOR_NAME_BYTES];
    size_t n_rows; /* of the clients, or 0: one for all */
    size_t n;      /* of a row */
    float *values; /* finite */
} checkpoint_values;

/* What a checkpoint holds. */
typedef struct checkpoint_file {
    char *path; /* of the file that was read: path or path.previous */
    record_file *past;
    record_position position;
    checkpoint_values *vectors; /* n_vectors */
    size_t n_vectors;
    char *out; /* name of the result file, as the run was given it */
} checkpoint_file;

/*
 * checkpoint_read - read the checkpoint at path or, where it is missing or damaged, the previous one
 *   warning  out  kind ERROR_NONE, or why it is the previous one
 * As in record_read nothing in the file is trusted, and the checksum is no proof.  Release with
 * checkpoint_file_free.  Returns NULL with err (user) when neither can be used.  Not collective.
 */
checkpoint_file *checkpoint_read(const char *path, error *warning, error *err);
void checkpoint_file_free(checkpoint_file *self);

/* checkpoint_find - the vector of that name, or NULL */
const checkpoint_values *checkpoint_find(const checkpoint_file *self, const char *name);

#endif
