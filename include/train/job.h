/*
 * job.h - what a rank holds between the command line and the last round of `bramble train`
 */
#ifndef BRAMBLE_TRAIN_JOB_H
#define BRAMBLE_TRAIN_JOB_H

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/input.h"
#include "data/sampler.h"
#include "host/threads.h"
#include "model/network.h"
#include "model/schedule.h"
#include "options/options.h"
#include "record/checkpoint.h"
#include "record/record.h"
#include "train/evaluate.h"
#include "train/stall.h"
#include "transport/transport.h"

typedef struct job {
    train_options options;
    model *model;
    char *model_text;
    const average_rule *rule;
    int n_threads;
    threads_advice advice;
    double t_begin_s;       /* clock_now() when the program started */
    double t_start_mpi_s;   /* then: until MPI was ready */
    double t_start_data_s;  /* then: reading and dealing out images */
    uint64_t rounds_before; /* done when it was resumed */
    bool finished;          /* it was resumed, and there is nothing left to do */
    int signal;             /* the run was asked to stop by, or 0 */
    uint64_t
        rounds_done; /* then: rounds in the result file, and in the checkpoint if there is one */
    char rescue[OPTION_TEXT_BYTES]; /* file to go on from when a rank dies, or "" */
    bool rescued;                   /* one has died, and options.resume is that file */

    uint64_t n_train, n_test; /* images used, of all workers together */
    uint64_t *shards;         /* images of each worker */
    char class_names[256][32];

    stall stall;
    float *w;      /* the weights: everyone's */
    void *scratch; /* for averaging */

    input_rule input; /* of all images */

    /* a worker's */
    dataset shard;
    sampler sampler;
    network *net;
    float *v, *g; /* velocity and gradient */
    schedule schedule;
    uint64_t step; /* how many it has taken, over all rounds */

    /* the server's */
    dataset test;
    evaluation evaluation;
    record *record;
    checkpoint *checkpoint;
    checkpoint_file *from; /* with --resume */
    data_checksum train_sum, test_sum;
    char out[OPTION_TEXT_BYTES]; /* path of the result file */
    bool replace;                /* what stands there */
    record_summary past_summary; /* of a run that is finished */
    size_t n_machines;           /* ranks of this start, or of a former if that had more */
    record_machine *machines;    /* one per rank */
} job;

/*
 * job_prepare - from the options to a job in which the first step can be taken: model, data, shards,
 * memory and result file.  Files are read on the server alone.  false with err, the same on every rank.
 * Collective.
 */
bool job_prepare(job *self, error *err);

/*
 * job_rename - another run was faster, and its file has the name: take another, where the user gave none
 * Returns false when that is not so.  Not collective: the server's.
 */
bool job_rename(job *self);

/* job_release - close and free everything; also after job_prepare has failed.  A result
 * file that cannot be closed is said on stderr.  Not collective. */
void job_release(job *self);

/* job_steps - local steps of a worker in one round */
uint64_t job_steps(const job *self, int worker);

/* job_segments - averages in one round, the same on every rank */
uint64_t job_segments(const job *self);

/* job_data_checksum - of the images, all of which have passed the server */
int64_t job_data_checksum(const job *self);

/* job_eval_every - rounds from one evaluation to the next */
uint64_t job_eval_every(const job *self);

#endif
