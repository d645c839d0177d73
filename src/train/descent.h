/*
 * descent.h - from gradients to steps: the optimizer, and the learning rate by the steps taken
 *
 * Its states are a client's own, or the same on all ranks where gradients are averaged.
 */
#ifndef BRAMBLE_TRAIN_DESCENT_H
#define BRAMBLE_TRAIN_DESCENT_H

#include "engine/engine.h"
#include "model/schedule.h"
#include "options/options.h"

#include <stdint.h>

typedef struct descent {
    const train_options *options;
    const engine *engine; /* whose rule the optimizer has */
    optimizer optimizer;
    schedule schedule;
    double epoch_steps;
    uint64_t step; /* how many have been taken, over all rounds */
} descent;

/* How many steps there are. */
typedef struct descent_course {
    uint64_t round_steps, epoch_steps, rounds_before;
} descent_course;

/*
 * descent_init - the states are 0
 *   options, of  in  must outlive it
 * false with err (environment); then it is to be released, too.  Not collective.
 */
bool descent_init(descent *self, const train_options *options, const engine *with, const model *of,
                  const descent_course *on, error *err);
void descent_release(descent *self);

/*
 * descent_twin - another client's, which takes turns with the first and must not outlive it
 *   has_states  in  of its own; else the first's, for who forgets them before its turn
 * As descent_init.
 */
bool descent_twin(descent *self, const descent *first, const descent_course *on, bool has_states,
                  error *err);

/* descent_lr - the learning rate of the next step; descent_next - the optimizer gets it, and the step counts as taken */
double descent_lr(const descent *self);
void descent_next(descent *self);

/* descent_skip - n steps count as taken */
void descent_skip(descent *self, uint64_t n);

/* descent_step - the next, outside of a network: optimizer_step */
void descent_step(descent *self, float *w, float *g, int n_threads);

#endif
