#include "buffers.h"

/* When a layer runs. */
typedef struct moments {
    int forward, backward, collected; /* the last of its backward pass */
} moments;

/* The barriers of stages.c, counted; not those inside a reduction's forward pass: not all passes have them. */
typedef struct clock {
    int now;
    bool own;
} clock;

static int meet(clock *self, bool own)
{
    if (!self->own || !own)
        self->now++;
    self->own = own;
    return self->now;
}

static void walk_forward(clock *at, const stage *s, moments *m)
{
    for (int k = s->first; k < s->last; k++)
        m[k].forward = meet(at, s->kind == STAGE_BLOCKS);
}

static void walk_backward(clock *at, const stage *s, moments *m)
{
    for (int k = s->last - 1; k >= s->first; k--)
        m[k].backward = m[k].collected = meet(at, s->kind == STAGE_BLOCKS);
    if (s->kind != STAGE_BLOCKS)
        return;
    meet(at, false);
    for (int k = s->first; k < s->last; k++)
        m[k].collected = at->now;
    if (s->reduces) /* the beginning of the stage before */
        m[s->first].backward = m[s->first].collected = meet(at, true);
}

/* When each layer runs; returns the loss's moment. */
static int walk(const stage *stages, int n_stages, moments *m)
{
    clock at = {0};
    for (int n = 0; n < n_stages; n++)
        walk_forward(&at, &stages[n], m);
    int loss = meet(&at, true);
    for (int n = n_stages - 1; n >= 0; n--)
        walk_backward(&at, &stages[n], m);
    return loss;
}

static void lengthen(buffer *b, int from, int to)
{
    b->first = from < b->first ? from : b->first;
    b->last = to > b->last ? to : b->last;
}

/* What layer l reads and writes of what others have made. */
static void use_inputs(const layer *l, const moments *m, bool training, buffer *outputs,
                       buffer *gradients)
{
    for (int i = 0; i < l->n_inputs; i++) {
        int from = l->inputs[i];
        if (from == LAYER_IMAGES)
            continue;
        lengthen(&outputs[from], m->forward, m->forward);
        if (training && !l->forgets_x)
            lengthen(&outputs[from], m->forward, m->collected);
        if (training)
            lengthen(&gradients[from], m->backward, m->collected);
    }
}

/* Does nobody need the output of layer `from` behind layer k, which reads it, to which its backward pass belongs? */
static bool last_to_read(const model *of, int from, int k, bool keep)
{
    for (int j = from + 1; j < of->n_layers; j++)
        for (int i = 0; i < of->layers[j].n_inputs; i++)
            if (of->layers[j].inputs[i] == from && (j > k || (keep && !of->layers[j].forgets_x)))
                return false;
    return true;
}

static void put_into(buffer *b, buffer *in)
{
    while (in->in)
        in = in->in;
    lengthen(in, b->first, b->last);
    b->in = in;
}

/* Layer k writes its output over an input that nobody reads behind it, forward or backward. */
static void output_in_place(const model *of, int k, bool training, buffer *outputs)
{
    const layer *l = &of->layers[k];
    for (int i = 0; l->in_place && !outputs[k].in && i < l->n_inputs; i++) {
        int from = l->inputs[i];
        if (from != LAYER_IMAGES && last_to_read(of, from, k, training) &&
            (!training || of->layers[from].forgets_y))
            put_into(&outputs[k], &outputs[from]);
    }
}

/* And the gradient of an input over that of its output, if it is the first to write the former. */
static void gradient_in_place(const model *of, int k, buffer *gradients)
{
    const layer *l = &of->layers[k];
    for (int i = 0; l->in_place && i < l->n_inputs; i++) {
        int from = l->inputs[i];
        if (from != LAYER_IMAGES && last_to_read(of, from, k, false)) {
            put_into(&gradients[from], &gradients[k]);
            return;
        }
    }
}

void buffers_of(const model *of, const stage *stages, int n_stages, bool training, buffer *outputs,
                buffer *gradients)
{
    moments m[MODEL_MAX_LAYERS] = {{0}};
    int loss = walk(stages, n_stages, m), last = of->n_layers - 1;
    for (int k = 0; k <= last; k++) {
        const layer *l = &of->layers[k];
        size_t size = layer_features(l->out);
        outputs[k] = (buffer){.size = size, .first = m[k].forward, .last = m[k].forward};
        gradients[k] =
            (buffer){.size = training ? size : 0, .first = m[k].backward, .last = m[k].collected};
        if (training && !l->forgets_y)
            lengthen(&outputs[k], m[k].forward, m[k].collected);
        use_inputs(l, &m[k], training, outputs, gradients);
    }
    lengthen(&outputs[last], loss, BUFFERS_ALWAYS);
    lengthen(&gradients[last], loss, loss);
    for (int k = 0; k <= last; k++)
        output_in_place(of, k, training, outputs);
    for (int k = last; training && k >= 0; k--)
        gradient_in_place(of, k, gradients);
}

/* The layers that a block passes one after the other together with layer k: first .. single - 1 of a stage, or none. */
static stage passed_with(const stage *stages, int n_stages, int k)
{
    for (int n = 0; n < n_stages; n++)
        if (stages[n].kind == STAGE_BLOCKS && stages[n].first <= k && k < stages[n].single)
            return stages[n];
    return (stage){0};
}

/* The last to read layer k's output; n_layers where one is outside of the stage, or, with keep, needs it on the way back. */
static int last_reader(const model *of, const stage *s, int k, bool keep)
{
    int last = k;
    for (int j = k + 1; j < of->n_layers; j++)
        for (int i = 0; i < of->layers[j].n_inputs; i++) {
            if (of->layers[j].inputs[i] != k)
                continue;
            if (j >= s->single || (keep && !of->layers[j].forgets_x))
                return of->n_layers;
            last = j;
        }
    return last;
}

/* One that has the memory of another is with it, or neither is. */
static void own_together(const buffer *all, buffer *own, int n)
{
    for (int turn = 0; turn < 2; turn++)
        for (int k = 0; k < n; k++) {
            const buffer *root = &all[k];
            while (root->in)
                root = root->in;
            buffer *of = &own[root - all];
            if (own[k].size == 0 || of->size == 0)
                own[k].size = of->size = 0;
            else
                lengthen(of, own[k].first, own[k].last);
            own[k].in = of == &own[k] ? NULL : of;
        }
}

void buffers_own(const model *of, const stage *stages, int n_stages, bool training,
                 const buffer *outputs, const buffer *gradients, buffer *own)
{
    int n = of->n_layers;
    for (int k = 0; k < n; k++) {
        stage s = passed_with(stages, n_stages, k);
        int reader = last_reader(of, &s, k, false), keeper = last_reader(of, &s, k, training);
        const layer *l = &of->layers[k];
        bool passed = k < s.single && reader > k, kept = training && !l->forgets_y;
        bool later = l->kind->backward_sums || (l->n_trained > 0 && l->n_sums == 0); /* reads gy */
        own[k] = (buffer){.first = k, .last = keeper};
        own[n + k] = (buffer){.first = 2 * n - 1 - reader, .last = 2 * n - 1 - k};
        own[k].size = passed && keeper < n && !kept ? outputs[k].size : 0;
        own[n + k].size = passed && reader < n && !later ? gradients[k].size : 0;
    }
    own_together(outputs, own, n);
    own_together(gradients, own + n, n);
}

static bool free_for(const buffer *b, const buffer *all, int n)
{
    for (int k = 0; k < n; k++)
        if (&all[k] != b && all[k].slot == b->slot && all[k].first <= b->last &&
            b->first <= all[k].last)
            return false;
    return true;
}

static buffer *largest_without_slot(buffer *all, int n)
{
    buffer *best = NULL;
    for (int k = 0; k < n; k++)
        if (all[k].slot < 0 && all[k].size > 0 && !all[k].in && (!best || all[k].size > best->size))
            best = &all[k];
    return best;
}

int buffers_place(buffer *all, int n, size_t *sizes)
{
    int n_slots = 0;
    for (int k = 0; k < n; k++)
        all[k].slot = -1;
    for (buffer *b; (b = largest_without_slot(all, n)) != NULL;) {
        b->slot = 0;
        while (b->slot < n_slots && !free_for(b, all, n))
            b->slot++;
        if (b->slot == n_slots)
            sizes[n_slots++] = b->size;
    }
    for (int k = 0; k < n; k++)
        if (all[k].in)
            all[k].slot = all[k].in->slot;
    return n_slots;
}
