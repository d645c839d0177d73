/*
 * stages.h - a model as a list of stages, and what runs them; inside this room only
 *
 * A stage is a run of layers of which the threads of a team do the work in one way:
 *   STAGE_BLOCKS  each takes blocks of its own through all of them and meets nobody
 *   STAGE_TEAM    the layers are shared out, one after the other, with a barrier between
 * A layer that puts something of the whole batch together, a reduction, begins a stage of blocks.  So that a block stays
 * in a cache, its sums are taken at the end of the stage before, where that goes by blocks, too; on the way back at
 * the end of its own, and the rest of its backward pass is the beginning of the stage before.
 * Stages run in order, backward in reverse; threads meet where one of two parts that follow each other is the whole
 * team's: a STAGE_TEAM, a collect, or what puts a batch together (stage_meet).
 */
#ifndef BRAMBLE_MODEL_STAGES_H
#define BRAMBLE_MODEL_STAGES_H

#include "kernels/team.h"
#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>

enum stage_kind { STAGE_BLOCKS, STAGE_TEAM };

typedef struct stage {
    enum stage_kind kind;
    int first, last; /* layers first .. last - 1 */
    int single;      /* STAGE_BLOCKS: before it a block at a time, then all blocks of a thread */
    bool reduces;    /* STAGE_BLOCKS: `first` is a reduction */
} stage;

/* stages_of - cut a model into stages; returns how many, at most a stage for each layer */
int stages_of(const model *of, stage *stages);

/* Where a layer's output and its gradient lie in memory of each thread's own, vecs from its begin; below 0: elsewhere. */
typedef struct stage_own {
    long y, gy;
} stage_own;

/* A pass through a model: what all threads see. */
typedef struct stage_pass {
    const layer *layers;
    const stage *stages;
    const layer_pass *passes; /* one for each layer, of all blocks */
    size_t n_blocks;
    char *scratch; /* for layers to compute in: scratch_bytes for each thread */
    size_t scratch_bytes;
    const stage_own *own; /* of each layer, and that memory, own_vecs for each thread */
    vec *own_memory;
    size_t own_vecs;
    /*
     * false: blocks do not deal out evenly, and are too few for that not to matter (network_step.c); stages by
     * blocks run as those of the team do
     */
    bool by_blocks;
    bool measuring; /* reductions put the batch together; else they go by their statistics */
} stage_pass;

/* A thread on its way; begin with `own` true where nobody has anything to wait for yet, else false. */
typedef struct stage_walk {
    const stage_pass *pass;
    const team *us;
    bool own; /* what it has done last concerns its own blocks alone */
} stage_walk;

/*
 * stage_meet - wait for the others, unless both what this thread has done last and what it does next concern its own
 * blocks (team_share of n_blocks) alone
 *   own  in  the latter; self->own is the former, and afterwards the latter
 */
void stage_meet(stage_walk *self, bool own);

/*
 * stages_forward - stages first .. last - 1, in order
 * stages_backward - last - 1 .. first, after all forward passes, measuring; every g of their layers is written
 * By all threads of a team.  They end without a barrier.
 */
void stages_forward(stage_walk *self, int first, int last);
void stages_backward(stage_walk *self, int first, int last);

#endif
