/*
 * stages.h - a model as a list of stages, and what runs them; inside this room only
 *
 * A stage is a run of layers of which the threads of a team do the work in one way:
 *   STAGE_BLOCKS  each takes blocks of its own through all of them and meets nobody
 *   STAGE_TEAM    the layers are shared out, one after the other, with a barrier between
 *   STAGE_REDUCE  one layer, by blocks, that first puts something of the whole batch together
 * Stages run in order, backward in reverse; threads meet between two of them where one is a STAGE_TEAM.
 */
#ifndef BRAMBLE_MODEL_STAGES_H
#define BRAMBLE_MODEL_STAGES_H

#include "kernels/team.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

enum stage_kind { STAGE_BLOCKS, STAGE_TEAM, STAGE_REDUCE };

typedef struct stage {
    enum stage_kind kind;
    int first, last; /* layers first .. last - 1 */
    int single; /* STAGE_BLOCKS: those before it a block at a time, the rest all blocks of a thread */
} stage;

/* stages_of - cut a model into stages; returns how many, at most a stage for each layer */
int stages_of(const model *of, stage *stages);

/* A pass through a model: what all threads see. */
typedef struct stage_pass {
    const layer *layers;
    const stage *stages;
    const layer_pass *passes; /* one for each layer, of all blocks */
    size_t n_blocks;
    bool
        by_blocks; /* false: blocks do not deal out evenly, and stages run by blocks as those of the team do */
    bool training;
} stage_pass;

/* A thread on its way; begin with `own` false. */
typedef struct stage_walk {
    const stage_pass *pass;
    const team *us;
    bool own; /* since the last barrier it has touched its own blocks alone */
} stage_walk;

/*
 * stage_meet - wait for the others, unless what this thread does next and what it has done since the last
 * barrier concerns its own blocks (team_share of n_blocks) alone
 */
void stage_meet(stage_walk *self, bool own);

/*
 * stages_forward - stages first .. last - 1, in order
 * stages_backward - last - 1 .. first, after all forward passes; every g of their layers is written
 * By all threads of a team.  They end without a barrier.
 */
void stages_forward(stage_walk *self, int first, int last);
void stages_backward(stage_walk *self, int first, int last);

#endif
