/*
 * job.h - what a rank holds while it trains
 *
 * prepare.h makes one; it comes to life with its memory taken, its images there, and its files open.
 */
#ifndef BRAMBLE_TRAIN_JOB_H
#define BRAMBLE_TRAIN_JOB_H

#include "base/error.h"
#include "course.h"
#include "data/dataset.h"
#include "data/input.h"
#include "descent.h"
#include "ema.h"
#include "engine/engine.h"
#include "merge.h"
#include "model/model.h"
#include "options/options.h"
#include "probe.h"
#include "record/checkpoint.h"
#include "record/record.h"
#include "train/evaluate.h"
#include "transport/transport.h"
#include "variates.h"
#include "worker.h"

/* The server's half. */
typedef struct server {
    dataset test, validation; /* validation: empty without --validate */
    dataset measured; /* training images that models are measured with before a test; or none */
    input_rule input; /* of all three */
    evaluation evaluation;
    ema ema; /* of the averages */
    record *record;
    checkpoint *checkpoint;   /* NULL: none is written */
    record_machine *machines; /* one per rank */
    record_file *past;        /* rows of former starts; NULL: there was none */
    int64_t data_checksum;    /* of the images, all of which have passed the server */
    const char *spent; /* file to be removed when all it holds is in memory again; NULL: none */
} server;

typedef struct job {
    const train_options *options;
    course course;
    model *model;
    input_values input; /* of all images, on all ranks */
    float *w;           /* the weights: everyone's */
    float *g; /* their gradient, on ranks that take steps: workers, with --sync gradients all */
    descent
        *descents; /* on the same ranks: of each of its clients, or one, of all ranks' gradients */
    int n_descents;
    merge merge;                     /* of all clients' weights, or gradients, into these */
    variates variates;               /* of the gradients, where steps are corrected by them */
    computing with;                  /* of this rank */
    double t_begin_s, t_start_mpi_s; /* as in run.h */
    double t_start_data_s;           /* reading and dealing out images */
    probe probe;                     /* of the clients, with --eval-clients */
    worker worker;                   /* on ranks that are one */
    float *rows; /* there, where it may have several clients in a round: their weights, by slot */
    size_t row_stride;
    server server; /* on the rank that is it */
} job;

/* job_release - close and free everything, of a job in the making, too.  A result file that cannot be closed is said
 * on stderr.  Not collective. */
void job_release(job *self);

#endif
