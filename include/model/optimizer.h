/*
 * optimizer.h - optimizers: how a gradient becomes a step
 *
 * An optimizer is a rule, a file each (src/model/optimizer_NAME.c), with states as long as the weights.  It works on
 * the flat vectors in parts: runs of weights that are treated alike, in which the weights of each convolution
 * (and, if asked for, of each dense layer but the last) are a part of their own where the rule wants matrices.  A step is taken by a team of threads; the bits do not depend on their number.
 */
#ifndef BRAMBLE_MODEL_OPTIMIZER_H
#define BRAMBLE_MODEL_OPTIMIZER_H

#include "base/error.h"
#include "kernels/team.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

enum { OPTIMIZER_STATES = 2 };

/* What is the same in all steps; a rule reads what concerns it. */
typedef struct optimizer_settings {
    double lr; /* at its highest */
    double momentum;
    double weight_decay;
    double beta1, beta2, epsilon;  /* AdamW's */
    double muon_lr, muon_momentum; /* of matrices */
    double proximal;               /* pull towards the anchor; 0: none */
    double clip_norm;              /* longer gradients are shortened to it; 0: none are */
    bool muon_dense;               /* dense layers' are matrices, too, but the last one's */
    bool nesterov;
    bool decoupled; /* weight decay apart from the gradient and its states */
} optimizer_settings;

/* Elements begin .. end - 1 of the flat vectors, which are trained in one way. */
typedef struct optimizer_part {
    size_t begin, end;
    tensor_training training;
    size_t first_chunk;   /* of its chunks in sums */
    size_t rows, columns; /* they are a matrix [rows][columns]; 0: they are none */
} optimizer_part;

typedef struct optimizer optimizer;

/* A vector that a rule keeps from step to step, 0 at first. */
typedef struct optimizer_state {
    const char *name;               /* in checkpoints */
    const char *of_worker, *of_all; /* a sentence: each worker has its own; there is one */
} optimizer_state;

typedef struct optimizer_rule {
    const char *name;
    optimizer_state states[OPTIMIZER_STATES + 1]; /* up to the first without a name */
    bool by_matrix;                               /* matrices of weights are parts of their own */
    bool ages;                                    /* age counts, and is in checkpoints */
    /*
     * update - a step of one part, by every thread of the team
     *   w  inout  all weights; the part's change, and the states
     *   g  in     their gradient
     * It begins behind a barrier and ends without one.
     */
    void (*update)(const optimizer *self, const optimizer_part *part, float *w, const float *g,
                   const team *us);
    /* work - floats of room for the work on a part; NULL: none.  Not collective. */
    size_t (*work)(const optimizer_part *part);
    /* operations - floating-point operations of a step of a part, for simulations; NULL: too few to count */
    double (*operations)(const optimizer_part *part);
} optimizer_rule;

/* optimizer_rules - all of them, NULL-terminated; optimizer_name - of one, NULL past the last */
extern const optimizer_rule *const optimizer_rules[];
const char *optimizer_name(size_t number);

/* An optimizer at work on the weights of a model. */
struct optimizer {
    const optimizer_rule *rule;
    const model *model;
    optimizer_settings settings;
    double factor; /* of the settings' learning rates in the next step; 1 at first */
    double epoch; /* that the next step is in, from 0: for weights that are trained for some only */
    const float *shift;  /* added to each gradient; NULL: none */
    const float *anchor; /* the weights of the last average; read where proximal is not 0 */
    /* as long as the weights, padded to whole lines; NULL beyond the rule's */
    float *states[OPTIMIZER_STATES + 1];
    float
        *age; /* one number: steps since the states were 0, of this step inclusive; at most 2^24 */
    optimizer_part *parts;
    size_t n_parts;
    double operations;        /* of a step, of all parts; see its rule */
    float *work;              /* of the largest part */
    double *sums;             /* of squares, for the norms of gradients and matrices */
    bool is_twin, has_states; /* parts, work and sums are another's; states and age are its own */
};

/*
 * optimizer_init - memory for the states, which are 0
 *   model  in  must outlive it
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool optimizer_init(optimizer *self, const optimizer_rule *rule, const optimizer_settings *settings,
                    const model *of, error *err);
void optimizer_release(optimizer *self);

/*
 * optimizer_twin - one more for the same weights, which takes turns with the first and must not outlive it
 *   has_states  in  of its own, 0; else they, too, are the first's
 * As optimizer_init.
 */
bool optimizer_twin(optimizer *self, const optimizer *first, bool has_states, error *err);

/* optimizer_forget - the states are 0 again */
void optimizer_forget(optimizer *self);

/*
 * A step: w moves against g, and the statistics of w towards those that stand behind g.
 * optimizer_begin - by one thread, before the others
 * optimizer_update - by every thread of a team, behind a barrier; it ends without one
 * optimizer_step - both, with a team of n_threads
 *   w  inout  n_weights floats
 *   g  inout  as many; shift and settings.proximal (w - anchor) are added, then they are shortened to settings.clip_norm
 * Sources: FedProx, Li et al., arXiv:1812.06127 (the proximal term's gradient); torch.nn.utils.clip_grad_norm_
 * (Pascanu et al., arXiv:1211.5063).
 */
void optimizer_begin(optimizer *self);
void optimizer_update(const optimizer *self, float *w, float *g, const team *us);
void optimizer_step(optimizer *self, float *w, float *g, int n_threads);

/* ---- for the rules ------------------------------------------------------------------------------- */

/* optimizer_share - this thread's elements begin .. end - 1 of a part, cut where cache lines end */
void optimizer_share(const optimizer_part *part, const team *us, size_t *begin, size_t *end);

/* optimizer_descend - a step of SGD on a part, its momentum the first state; as a rule's update */
void optimizer_descend(const optimizer *self, const optimizer_part *part, float *w, const float *g,
                       bool nesterov, const team *us);

/* optimizer_lr, optimizer_decay - the learning rate and the weight decay of a part in this step */
double optimizer_lr(const optimizer *self, const optimizer_part *part);
double optimizer_decay(const optimizer *self, const optimizer_part *part);

#endif
