/*
 * saved.h - the vectors of floats that a run goes on from: what --resume must not lose
 *
 * One list, a line each: saving keeps, gathers and writes what it names, and resume gives it back.
 */
#ifndef BRAMBLE_TRAIN_SAVED_H
#define BRAMBLE_TRAIN_SAVED_H

#include "job.h"
#include "record/checkpoint.h"

enum { SAVED_MAX = 14 };

/* A vector as the list has it. */
typedef struct saved_vector {
    const char *name, *about; /* of its dataset in /checkpoint */
    bool per_client;          /* each client has its own, else all ranks hold the same one */
    bool server_alone;        /* none but the server holds it */
    bool may_be_missing;      /* a checkpoint need not have it: it begins with 0 then */
    size_t n;
    float *at; /* in this rank's memory; NULL where it has none, and per client */
    /* per client: where it is, of this rank's k-th; which is the list's own */
    float *(*own)(const job *of, int k, int which);
    int which;
} saved_vector;

/* saved_list - those of this run, always the same ones in the same order.  Returns how many.  Not collective. */
size_t saved_list(const job *of, saved_vector list[SAVED_MAX]);

/* saved_plan - the same as a checkpoint is planned with */
size_t saved_plan(const job *of, checkpoint_vector list[SAVED_MAX]);

/* saved_in_checkpoint - one of them as a checkpoint takes it
 *   values  in  n floats, or n of each client, one behind the other */
checkpoint_vector saved_in_checkpoint(const saved_vector *of, const float *values);

#endif
