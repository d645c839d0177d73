#include "model/optimizer.h"

#include "base/memory.h"
#include "base/world.h"
#include "kernels/update.h"

#include <math.h>
#include <string.h>

/* One line for each; the first is the default. */
#define OPTIMIZER_RULES(RULE)                                                                      \
    RULE(optimizer_sgd)                                                                            \
    RULE(optimizer_adamw)                                                                          \
    RULE(optimizer_muon)

#define DECLARE(rule) extern const optimizer_rule rule;
#define LIST(rule) &rule,

OPTIMIZER_RULES(DECLARE)

const optimizer_rule *const optimizer_rules[] = {OPTIMIZER_RULES(LIST) NULL};

enum { CHUNK = 4096 }; /* numbers whose squares are added up by one thread */
static const float AGE_LIMIT = 16777216.0F;

const char *optimizer_name(size_t number)
{
    return optimizer_rules[number] ? optimizer_rules[number]->name : NULL;
}

/* ---- memory -------------------------------------------------------------------------------------- */

static size_t chunks(const optimizer_part *part)
{
    return (part->end - part->begin + CHUNK - 1) / CHUNK;
}

/* The last dense layer's weights, which give the answer: a row for each class; n_tensors where there are none. */
static int answering(const model *m)
{
    for (int k = m->n_tensors - 1; k >= 0; k--)
        if (m->tensors[k].n_dims == 2)
            return k;
    return m->n_tensors;
}

/* By the model's groups, or, where a rule wants matrices, by its tensors. */
static void cut(optimizer *self)
{
    const model *m = self->model;
    const int answer = answering(m);
    for (int k = 0; k < m->n_groups && !self->rule->by_matrix; k++) {
        const model_group *g = &m->groups[k];
        self->parts[self->n_parts++] =
            (optimizer_part){.begin = g->begin, .end = g->end, .training = g->training};
    }
    for (int k = 0; k < m->n_tensors && self->rule->by_matrix; k++) {
        const tensor *t = &m->tensors[k];
        optimizer_part part = {
            .begin = t->offset, .end = t->offset + t->count, .training = t->training};
        if (t->n_dims == 4 || (t->n_dims == 2 && k != answer && self->settings.muon_dense)) {
            part.rows = t->dims[0];
            part.columns = t->count / t->dims[0];
        }
        if (t->role == TENSOR_TRAINED)
            self->parts[self->n_parts++] = part;
    }
}

/* The most that any part needs. */
static void measure(optimizer *self, size_t *work, size_t *sums)
{
    size_t n_chunks = 0;
    for (size_t k = 0; k < self->n_parts; k++) {
        optimizer_part *part = &self->parts[k];
        part->first_chunk = n_chunks;
        n_chunks += chunks(part);
        size_t room = self->rule->work ? self->rule->work(part) : 0;
        self->operations += self->rule->operations ? self->rule->operations(part) : 0.0;
        size_t sides = 2 * (part->rows > part->columns ? part->rows : part->columns);
        *work = room > *work ? room : *work;
        *sums = sides > *sums ? sides : *sums;
    }
    *sums = n_chunks > *sums ? n_chunks : *sums;
}

static bool new_states(optimizer *self, error *err)
{
    self->has_states = true;
    self->age = memory_new(1, sizeof *self->age, err);
    for (size_t k = 0; k < OPTIMIZER_STATES; k++)
        self->states[k] = self->rule->states[k].name
                              ? memory_new(self->model->n_weights, sizeof **self->states, err)
                              : NULL;
    return err->kind == ERROR_NONE;
}

bool optimizer_init(optimizer *self, const optimizer_rule *rule, const optimizer_settings *settings,
                    const model *of, error *err)
{
    size_t work = 0, sums = 0;
    *self = (optimizer){.rule = rule, .model = of, .settings = *settings, .factor = 1.0};
    self->parts = memory_new((size_t)of->n_tensors, sizeof *self->parts, err);
    if (!self->parts)
        return false;
    cut(self);
    measure(self, &work, &sums);
    self->work = memory_new(work, sizeof *self->work, err);
    self->sums = memory_new(sums, sizeof *self->sums, err);
    return new_states(self, err);
}

bool optimizer_twin(optimizer *self, const optimizer *first, bool has_states, error *err)
{
    *self = *first;
    self->is_twin = true;
    self->has_states = false;
    return !has_states || new_states(self, err);
}

void optimizer_release(optimizer *self)
{
    for (size_t k = 0; k < OPTIMIZER_STATES && self->has_states; k++)
        memory_free(self->states[k]);
    if (self->has_states)
        memory_free(self->age);
    if (!self->is_twin) {
        memory_free(self->parts);
        memory_free(self->work);
        memory_free(self->sums);
    }
    *self = (optimizer){0};
}

void optimizer_forget(optimizer *self)
{
    for (size_t k = 0; self->states[k]; k++)
        memset(self->states[k], 0, self->model->n_weights * sizeof **self->states);
    *self->age = 0.0F;
}

/* ---- a step -------------------------------------------------------------------------------------- */

void optimizer_begin(optimizer *self)
{
    *self->age = fminf(*self->age + 1.0F, AGE_LIMIT);
}

static bool is_trained(const optimizer *self, const optimizer_part *part)
{
    return tensor_trains(&part->training, self->epoch);
}

/* Elements of a chunk of a part. */
static size_t chunk(const optimizer_part *part, size_t k, size_t *n)
{
    size_t begin = part->begin + k * CHUNK;
    *n = part->end - begin < CHUNK ? part->end - begin : CHUNK;
    return begin;
}

static void square(const optimizer *self, const float *g, const team *us)
{
    size_t begin, end, n;
    for (size_t p = 0; p < self->n_parts; p++) {
        const optimizer_part *part = &self->parts[p];
        team_share(us, chunks(part), &begin, &end);
        for (size_t k = begin; k < end && is_trained(self, part); k++) {
            size_t first = chunk(part, k, &n);
            self->sums[part->first_chunk + k] = vector_squares(g + first, n);
        }
    }
}

static void shorten(const optimizer *self, float *g, float factor, const team *us)
{
    size_t begin, end, n;
    for (size_t p = 0; p < self->n_parts; p++) {
        const optimizer_part *part = &self->parts[p];
        team_share(us, chunks(part), &begin, &end);
        for (size_t k = begin; k < end && is_trained(self, part); k++) {
            size_t first = chunk(part, k, &n);
            vector_scale(g + first, n, factor);
        }
    }
}

/* The chunks' sums are added in their order by everyone. */
static void clip(const optimizer *self, float *g, const team *us)
{
    double squares = 0.0;
    square(self, g, us);
    team_barrier(us);
    for (size_t p = 0; p < self->n_parts; p++) {
        const optimizer_part *part = &self->parts[p];
        for (size_t k = 0; k < chunks(part) && is_trained(self, part); k++)
            squares += self->sums[part->first_chunk + k];
    }
    float factor = (float)(self->settings.clip_norm / (sqrt(squares) + 1e-6));
    if (!(factor >= 1.0F)) /* of NaN, too */
        shorten(self, g, factor, us);
    team_barrier(us);
}

/* What makes workers with unlike images go one way; each thread a piece. */
static void correct(const optimizer *self, const float *w, float *g, const team *us)
{
    size_t begin, end;
    team_share(us, self->model->n_trained, &begin, &end);
    if (self->shift)
        vector_add(g, self->shift, begin, end);
    if (self->settings.proximal > 0.0)
        vector_pull(g, w, self->anchor, (float)self->settings.proximal, begin, end);
    team_barrier(us);
}

void optimizer_update(const optimizer *self, float *w, float *g, const team *us)
{
    const model *m = self->model;
    size_t begin, end;
    if (self->shift || self->settings.proximal > 0.0)
        correct(self, w, g, us);
    if (self->settings.clip_norm > 0.0)
        clip(self, g, us);
    for (size_t k = 0; k < self->n_parts; k++)
        if (is_trained(self, &self->parts[k]))
            self->rule->update(self, &self->parts[k], w, g, us);
    for (int k = 0; k < m->n_layers; k++) {
        const layer *l = &m->layers[k];
        size_t offset = m->places[k].statistics;
        team_share(us, l->n_statistics, &begin, &end);
        update_statistics(l->statistic_rate, w + offset, g + offset, begin, end);
    }
}

typedef struct stepping {
    const optimizer *by;
    float *w, *g;
} stepping;

static void step_in_team(const team *us, void *arg)
{
    const stepping *self = arg;
    optimizer_update(self->by, self->w, self->g, us);
}

void optimizer_step(optimizer *self, float *w, float *g, int n_threads)
{
    stepping all = {self, w, g};
    optimizer_begin(self);
    world_work(self->operations, n_threads);
    team_run(n_threads, step_in_team, &all);
}
