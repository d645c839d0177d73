/*
 * evaluate.h - loss and accuracy of a model on a test set, and on images held out, in slices
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
#include "data/source.h"
#include "data/views.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

/* Sets of images, in the order in which they are gone through. */
enum evaluation_part { EVALUATION_TEST, EVALUATION_VALIDATION, EVALUATION_PARTS };

typedef struct evaluation_set {
    const dataset *images; /* NULL: there is no such set */
    double loss_sum;       /* of whole groups */
    size_t n_correct;
} evaluation_set;

typedef struct evaluation {
    const model *model;
    const input_rule *input;
    evaluation_set of[EVALUATION_PARTS];
    const engine *engine;
    network *net;
    float *w;           /* the weights being evaluated: a copy */
    int64_t *confusion; /* [class][guess], of the test set */
    int part;           /* that is gone through */
    size_t position;    /* images of it that are done */
    double group_sum;   /* of the losses of the group begun */
    double t_block_s;   /* what a block of images took the last time; 0: not known */
    bool running;
    views views;  /* n = 0: none */
    double *mean; /* [image of a group][class]: of all views; then a row for the logits of one */
} evaluation;

/*
 * evaluation_check - do the images of a data set become what the model takes?
 *   input       in  what they become
 *   set         in  to say which labels are too many
 *   data, name  in  of the data set and the model, for the message
 * false with err (user).  Not collective.
 */
bool evaluation_check(const model *of, const char *name, const input_rule *input, const source *set,
                      const char *data, error *err);

/* Images: a slice has no more, and an input rule that augments needs room for as many. */
enum { EVALUATION_GROUP = 64 };

/* evaluation_init - memory for it; model, input rule and test set must outlive it.  false with err. */
bool evaluation_init(evaluation *self, const model *of, const input_rule *input, const dataset *set,
                     const computing *with, error *err);
void evaluation_release(evaluation *self);

/* evaluation_also - go through the images held out, too, which must outlive it; none, where the set is empty */
void evaluation_also(evaluation *self, const dataset *validation);

/*
 * evaluation_see - memory for several views of the test images, for evaluation_tta
 *   of  in  what the input rule was made of
 * false with err: memory.  Not collective.
 */
bool evaluation_see(evaluation *self, enum views_kind kind, const input_values *of, error *err);

/* evaluation_begin - start anew with these weights */
void evaluation_begin(evaluation *self, const float *w);

/* evaluation_slice - go on for about t_s seconds, a group at most and a block of images at least; returns
 * whether anything was left to do */
bool evaluation_slice(evaluation *self, double t_s);

/* evaluation_finish - do what is left */
void evaluation_finish(evaluation *self);

/* evaluation_share - how much of it is done, 0 to 1 */
double evaluation_share(const evaluation *self);

/* evaluation_loss, evaluation_accuracy - when nothing is left: means over a set; NaN where there is none */
double evaluation_loss(const evaluation *self, enum evaluation_part part);
double evaluation_accuracy(const evaluation *self, enum evaluation_part part);

/* evaluation_tta - when nothing is left: accuracy of the same weights on the test set by the mean of all views;
 * NaN without views.  Takes as long as views->n tests. */
double evaluation_tta(evaluation *self);

#endif
