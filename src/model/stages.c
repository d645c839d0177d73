#include "stages.h"

static enum stage_kind kind_of(const layer *l)
{
    return l->kind->forward_sums ? STAGE_REDUCE : l->by_blocks ? STAGE_BLOCKS : STAGE_TEAM;
}

int stages_of(const model *of, stage *stages)
{
    int n = 0;
    for (int k = 0; k < of->n_layers; k++) {
        const layer *l = &of->layers[k];
        enum stage_kind kind = kind_of(l);
        if (n == 0 || stages[n - 1].kind != kind || kind == STAGE_REDUCE)
            stages[n++] = (stage){.kind = kind, .first = k, .last = k, .single = k};
        stage *s = &stages[n - 1];
        /*
         * A block at a time up to the first layer that puts no sums by, a matrix product: a single block
         * would give it too little work for each weight that is loaded.
         */
        if (s->single == k && (l->n_trained == 0 || l->n_sums > 0))
            s->single++;
        s->last++;
    }
    return n;
}

void stage_meet(stage_walk *self, bool own)
{
    if (!self->own || !own)
        team_barrier(self->us);
    self->own = own;
}

enum direction { FORWARD, BACKWARD };

/* A layer's pass as this thread has it. */
static layer_pass own_pass(const stage_walk *self, int k)
{
    layer_pass pass = self->pass->passes[k];
    pass.scratch = self->pass->scratch + (size_t)self->us->thread * self->pass->scratch_bytes;
    return pass;
}

/* Has layer k something to do on the way back? */
static bool goes_back(const stage_walk *self, int k)
{
    const layer_pass *pass = &self->pass->passes[k];
    for (int i = 0; i < LAYER_MAX_INPUTS; i++)
        if (pass->gx[i])
            return true;
    return pass->g != NULL;
}

/* What nobody reads behind the stage that a block passes through lies in memory of the thread's own. */
static void use_own(const stage_walk *self, int k, layer_pass *pass)
{
    const layer *l = &self->pass->layers[k];
    const stage_own *own = self->pass->own;
    vec *memory = self->pass->own_memory + (size_t)self->us->thread * self->pass->own_vecs;
    if (own[k].y >= 0)
        pass->y = memory + own[k].y;
    if (own[k].gy >= 0)
        pass->gy = memory + own[k].gy;
    for (int i = 0; i < l->n_inputs; i++) {
        int from = l->inputs[i];
        if (from != LAYER_IMAGES && own[from].y >= 0)
            pass->x[i] = memory + own[from].y;
        if (from != LAYER_IMAGES && own[from].gy >= 0 && pass->gx[i])
            pass->gx[i] = memory + own[from].gy;
    }
}

/* A layer's pass through some blocks. */
static layer_pass block_pass(const stage_walk *self, int k, size_t begin, size_t end)
{
    const layer_pass all = own_pass(self, k);
    layer_pass pass = layer_pass_of(&self->pass->layers[k], &all, begin, end);
    use_own(self, k, &pass);
    return pass;
}

/* Layers from .. to - 1, or backward, of some blocks. */
static void run_layers(const stage_walk *self, int from, int to, enum direction way, size_t begin,
                       size_t end)
{
    const team alone = {0, 1, NULL};
    for (int n = from; n < to; n++) {
        int k = way == FORWARD ? n : to - 1 - (n - from);
        const layer *l = &self->pass->layers[k];
        if (way == BACKWARD && !goes_back(self, k))
            continue;
        layer_pass pass = block_pass(self, k, begin, end);
        (way == FORWARD ? l->kind->forward : l->kind->backward)(l, &pass, &alone);
    }
}

static void run_blocks(stage_walk *self, const stage *s, enum direction way)
{
    size_t begin, end;
    stage_meet(self, true);
    team_share(self->us, self->pass->n_blocks, &begin, &end);
    if (way == BACKWARD && begin < end)
        run_layers(self, s->single, s->last, way, begin, end);
    for (size_t b = begin; b < end; b++)
        run_layers(self, s->first, s->single, way, b, b + 1);
    if (way == FORWARD && begin < end)
        run_layers(self, s->single, s->last, way, begin, end);
}

/* The whole team on all blocks of a layer.  NULL: nothing, but they meet: buffers.c counts on it. */
static void run_team(stage_walk *self, int k, layer_function *function)
{
    layer_pass pass = own_pass(self, k);
    stage_meet(self, false);
    if (function)
        function(&self->pass->layers[k], &pass, self->us);
}

static void run_reduce(stage_walk *self, int k, enum direction way)
{
    const layer_kind *kind = self->pass->layers[k].kind;
    const team alone = {0, 1, NULL};
    size_t begin, end;
    team_share(self->us, self->pass->n_blocks, &begin, &end);
    const layer_pass pass = block_pass(self, k, begin, end);
    layer_function *sums = way == FORWARD ? kind->forward_sums : kind->backward_sums;
    layer_function *combine = way == FORWARD ? kind->forward_combine : kind->backward_combine;
    bool idle = way == BACKWARD && !goes_back(self, k);
    if (self->pass->measuring) {
        stage_meet(self, true);
        if (!idle)
            sums(&self->pass->layers[k], &pass, &alone);
        run_team(self, k, idle ? NULL : combine);
    }
    stage_meet(self, true);
    run_layers(self, k, k + 1, way, begin, end);
}

void stages_forward(stage_walk *self, int first, int last)
{
    for (int n = first; n < last; n++) {
        const stage *s = &self->pass->stages[n];
        if (s->kind == STAGE_REDUCE)
            run_reduce(self, s->first, FORWARD);
        else if (s->kind == STAGE_BLOCKS && self->pass->by_blocks)
            run_blocks(self, s, FORWARD);
        else
            for (int k = s->first; k < s->last; k++)
                run_team(self, k, self->pass->layers[k].kind->forward);
    }
}

void stages_backward(stage_walk *self, int first, int last)
{
    for (int n = last - 1; n >= first; n--) {
        const stage *s = &self->pass->stages[n];
        if (s->kind == STAGE_REDUCE) {
            run_reduce(self, s->first, BACKWARD);
        } else if (s->kind == STAGE_BLOCKS && self->pass->by_blocks) {
            run_blocks(self, s, BACKWARD);
            stage_meet(self, false);
            for (int k = s->first; k < s->last; k++)
                if (self->pass->passes[k].g && self->pass->layers[k].kind->collect)
                    self->pass->layers[k].kind->collect(&self->pass->layers[k],
                                                        &self->pass->passes[k], self->us);
        } else {
            for (int k = s->last - 1; k >= s->first; k--)
                run_team(self, k, goes_back(self, k) ? self->pass->layers[k].kind->backward : NULL);
        }
    }
}
