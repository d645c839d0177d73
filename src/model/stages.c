#include "stages.h"

static bool reduces(const layer *l)
{
    return l->kind->forward_sums != NULL;
}

int stages_of(const model *of, stage *stages)
{
    int n = 0;
    for (int k = 0; k < of->n_layers; k++) {
        const layer *l = &of->layers[k];
        enum stage_kind kind = l->by_blocks || reduces(l) ? STAGE_BLOCKS : STAGE_TEAM;
        if (n == 0 || stages[n - 1].kind != kind || reduces(l))
            stages[n++] =
                (stage){.kind = kind, .first = k, .last = k, .single = k, .reduces = reduces(l)};
        stage *s = &stages[n - 1];
        if (s->single == k && !l->at_once)
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

/* What there is to do of layer k where a block passes through stage s; NULL: nothing. */
static layer_function *part_of(const stage_walk *self, const stage *s, int k, enum direction way)
{
    const layer_kind *kind = self->pass->layers[k].kind;
    if (way == FORWARD)
        return k < s->last ? kind->forward : kind->forward_sums;
    if (!goes_back(self, k))
        return NULL;
    return k == s->first && s->reduces ? kind->backward_sums : kind->backward;
}

/* Of layers from .. to - 1, or backward, for some blocks. */
static void run_layers(const stage_walk *self, const stage *s, int from, int to, enum direction way,
                       size_t begin, size_t end)
{
    const team alone = {0, 1, NULL};
    for (int n = from; n < to; n++) {
        int k = way == FORWARD ? n : to - 1 - (n - from);
        layer_function *part = part_of(self, s, k, way);
        if (!part)
            continue;
        const layer_pass pass = block_pass(self, k, begin, end);
        part(&self->pass->layers[k], &pass, &alone);
    }
}

/* A thread's own blocks through a stage, and of the reduction behind it what needs nobody else. */
static void run_blocks(stage_walk *self, const stage *s, bool reduced, enum direction way)
{
    int last = s->last + reduced, single = s->single < s->last ? s->single : last;
    size_t begin, end;
    stage_meet(self, true);
    team_share(self->us, self->pass->n_blocks, &begin, &end);
    if (way == BACKWARD && begin < end)
        run_layers(self, s, single, last, way, begin, end);
    for (size_t b = begin; b < end; b++)
        run_layers(self, s, s->first, single, way, b, b + 1);
    if (way == FORWARD && begin < end)
        run_layers(self, s, single, last, way, begin, end);
}

/* A thread's own blocks through one part of a layer, all at once. */
static void run_own(stage_walk *self, int k, layer_function *part)
{
    const team alone = {0, 1, NULL};
    const layer *l = &self->pass->layers[k];
    size_t begin, end;
    stage_meet(self, true);
    team_share(self->us, self->pass->n_blocks, &begin, &end);
    const layer_pass all = own_pass(self, k), pass = layer_pass_of(l, &all, begin, end);
    part(l, &pass, &alone);
}

/* The whole team on all blocks of a layer.  NULL: nothing, but they meet: buffers.c counts on it. */
static void run_team(stage_walk *self, int k, layer_function *part)
{
    layer_pass pass = own_pass(self, k);
    stage_meet(self, false);
    if (part)
        part(&self->pass->layers[k], &pass, self->us);
}

/* One layer after the other. */
static void run_whole(stage_walk *self, int k, enum direction way)
{
    const layer_kind *kind = self->pass->layers[k].kind;
    layer_function *part = way == FORWARD ? kind->forward : kind->backward;
    bool idle = way == BACKWARD && !goes_back(self, k);
    if (idle || !reduces(&self->pass->layers[k])) {
        run_team(self, k, idle ? NULL : part);
        return;
    }
    if (self->pass->measuring) {
        run_own(self, k, way == FORWARD ? kind->forward_sums : kind->backward_sums);
        run_team(self, k, way == FORWARD ? kind->forward_combine : kind->backward_combine);
    }
    run_own(self, k, part);
}

static bool goes_by_blocks(const stage_walk *self, const stage *s)
{
    return s->kind == STAGE_BLOCKS && self->pass->by_blocks;
}

void stages_forward(stage_walk *self, int first, int last)
{
    bool summed = false; /* this stage's reduction has its sums already */
    for (int n = first; n < last; n++) {
        const stage *s = &self->pass->stages[n];
        const layer_kind *kind = self->pass->layers[s->first].kind;
        if (!goes_by_blocks(self, s)) {
            for (int k = s->first; k < s->last; k++)
                run_whole(self, k, FORWARD);
            continue;
        }
        if (s->reduces && self->pass->measuring) {
            if (!summed)
                run_own(self, s->first, kind->forward_sums);
            run_team(self, s->first, kind->forward_combine);
        }
        summed = n + 1 < last && s[1].reduces && self->pass->measuring;
        run_blocks(self, s, summed, FORWARD);
    }
}

/* What is left of stage s by blocks to the whole team. */
static void collect(stage_walk *self, const stage *s)
{
    stage_meet(self, false);
    for (int k = s->first; k < s->last; k++) {
        const layer *l = &self->pass->layers[k];
        const layer_pass pass = own_pass(self, k);
        if (k == s->first && s->reduces && goes_back(self, k))
            l->kind->backward_combine(l, &pass, self->us);
        else if (pass.g && l->kind->collect)
            l->kind->collect(l, &pass, self->us);
    }
}

/* What is left of the reduction that begins s; NULL: none. */
static void finish(stage_walk *self, const stage *s)
{
    if (s && goes_back(self, s->first))
        run_own(self, s->first, self->pass->layers[s->first].kind->backward);
}

void stages_backward(stage_walk *self, int first, int last)
{
    const stage *left = NULL; /* whose reduction has its backward pass still to come */
    for (int n = last - 1; n >= first; n--) {
        const stage *s = &self->pass->stages[n];
        if (goes_by_blocks(self, s)) {
            run_blocks(self, s, left != NULL, BACKWARD);
            collect(self, s);
            left = s->reduces ? s : NULL;
            continue;
        }
        finish(self, left);
        left = NULL;
        for (int k = s->last - 1; k >= s->first; k--)
            run_whole(self, k, BACKWARD);
    }
    finish(self, left);
}
