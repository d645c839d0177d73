/*
 * evaluate.h - loss and accuracy of a model on a test set, in slices
 *
 * The server evaluates while it waits for the workers, a slice at a time, so that it is hardly late for
 * them.  Slices, however long, do not change the result: images are added up in their order, in groups of
 * a fixed size.
 */
#ifndef BRAMBLE_TRAIN_EVALUATE_H
#define BRAMBLE_TRAIN_EVALUATE_H

#include "base/error.h"
#include "data/dataset.h"
#include "data/input.h"
#include "model/network.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct evaluation {
    const model *model;
    const input_rule *input;
    const dataset *set;
    network *net;
    float *w;           /* the weights being evaluated: a copy */
    int64_t *confusion; /* [class][guess] */
    size_t position;    /* images done */
    samples slice;      /* what is under way */
    double loss_sum;    /* of whole groups */
    double group_sum;   /* of the one begun */
    size_t n_correct;
    double t_block_s; /* what a block of images took the last time; 0: not known */
    bool running;
} evaluation;

/*
 * evaluation_check - do the images of a data set become what the model takes?
 *   input       in  what they become
 *   data, name  in  of the data set and the model, for the message
 * false with err (user).  Not collective.
 */
bool evaluation_check(const model *of, const char *name, const input_rule *input, const char *data,
                      error *err);

/* Images: a slice has no more, and an input rule that augments needs room for as many. */
enum { EVALUATION_GROUP = 64 };

/* evaluation_init - memory for it; model, input rule and set must outlive it.  false with err. */
bool evaluation_init(evaluation *self, const model *of, const input_rule *input, const dataset *set,
                     int n_threads, error *err);
void evaluation_release(evaluation *self);

/* evaluation_begin - start anew with these weights */
void evaluation_begin(evaluation *self, const float *w);

/* evaluation_slice - go on for about t_s seconds, a group at most and a block of images at least; returns
 * whether anything was left to do */
bool evaluation_slice(evaluation *self, double t_s);

/* evaluation_finish - do what is left */
void evaluation_finish(evaluation *self);

/* evaluation_loss, evaluation_accuracy - when nothing is left: means over the set */
double evaluation_loss(const evaluation *self);
double evaluation_accuracy(const evaluation *self);

#endif
