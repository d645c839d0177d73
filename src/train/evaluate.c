#include "train/evaluate.h"

#include "base/clock.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

bool evaluation_check(const model *of, const char *name, const input_rule *input, const source *set,
                      const char *data, error *err)
{
    const image_shape *from = &input->from, *to = &input->to;
    if (to->channels != of->input.channels || to->height != of->input.height ||
        to->width != of->input.width)
        return error_user(err, "--data %s: images of %d x %d x %d, but model %s takes %d x %d x %d",
                          data, from->channels, from->height, from->width, name, of->input.channels,
                          of->input.height, of->input.width);
    if (from->n_classes == of->n_classes)
        return true;
    char beyond[SOURCE_BEYOND_BYTES];
    source_beyond(set, of->n_classes, beyond);
    return error_user(err, "--data %s: %d classes, but model %s tells %d apart%s%s%s", data,
                      from->n_classes, name, of->n_classes, *beyond ? "; " : "", beyond,
                      *beyond ? " is the first beyond them" : "");
}

bool evaluation_init(evaluation *self, const model *of, const input_rule *input, const dataset *set,
                     const computing *with, error *err)
{
    size_t n = (size_t)of->n_classes;
    *self = (evaluation){.model = of, .input = input, .of[EVALUATION_TEST].images = set};
    self->engine = with->engine;
    self->net = engine_network_new(with->engine, of, EVALUATION_GROUP, false, with->n_threads, err);
    self->w = memory_new(of->n_weights, sizeof *self->w, err);
    if (!self->net || !self->w)
        return false;
    self->confusion = memory_new(n * n, sizeof *self->confusion, err);
    return self->confusion || error_prefix(err, "a confusion matrix of %zu classes", n);
}

void evaluation_release(evaluation *self)
{
    if (self->net)
        self->engine->network_free(self->net);
    memory_free(self->w);
    memory_free(self->confusion);
    memory_free(self->mean);
    views_release(&self->views);
    *self = (evaluation){0};
}

void evaluation_also(evaluation *self, const dataset *validation)
{
    self->of[EVALUATION_VALIDATION].images = validation->n > 0 ? validation : NULL;
}

bool evaluation_see(evaluation *self, enum views_kind kind, const input_values *of, error *err)
{
    size_t n = kind == VIEWS_NONE ? 0 : (EVALUATION_GROUP + 1) * (size_t)self->model->n_classes;
    self->mean = memory_new(n, sizeof *self->mean, err);
    return self->mean && views_init(&self->views, kind, of, EVALUATION_GROUP, err);
}

/* ---- in slices ----------------------------------------------------------------------------------- */

void evaluation_begin(evaluation *self, const float *w)
{
    size_t n = (size_t)self->model->n_classes;
    if (w != self->w)
        memcpy(self->w, w, self->model->n_weights * sizeof *w);
    memset(self->confusion, 0, n * n * sizeof *self->confusion);
    for (int k = 0; k < EVALUATION_PARTS; k++) {
        self->of[k].loss_sum = 0.0;
        self->of[k].n_correct = 0;
    }
    self->part = EVALUATION_TEST;
    self->position = 0;
    self->group_sum = 0.0;
    self->running = self->of[EVALUATION_TEST].images->n > 0;
}

static void forward(evaluation *self, const input_rule *input, const dataset *set, size_t first,
                    size_t n)
{
    engine_images from = {self->engine, input, set, {.first = first, .n = n}};
    const network_input images = {.load = engine_load, .arg = &from};
    (void)self->engine->network_forward(self->net, self->w, &images, n);
}

/* Whole blocks, up to the end of the group: which orders the sum of the losses, whatever a slice is. */
static size_t slice_images(const evaluation *self, double t_s)
{
    size_t left = self->of[self->part].images->n - self->position;
    size_t group = EVALUATION_GROUP - self->position % EVALUATION_GROUP,
           width = (size_t)self->engine->width, n = width;
    if (t_s >= self->t_block_s * EVALUATION_GROUP / (double)width &&
        (self->t_block_s > 0.0 || isinf(t_s)))
        n = EVALUATION_GROUP;
    else if (self->t_block_s > 0.0 && t_s > self->t_block_s)
        n *= (size_t)(t_s / self->t_block_s);
    n = n < group ? n : group;
    return n < left ? n : left;
}

static void add_image(evaluation *self, size_t k)
{
    size_t label = self->engine->network_label(self->net, k);
    size_t guess = self->engine->network_guess(self->net, k);
    if (self->part == EVALUATION_TEST)
        self->confusion[label * (size_t)self->model->n_classes + guess]++;
    self->group_sum += (double)self->engine->network_loss(self->net, k);
    self->of[self->part].n_correct += label == guess;
}

/* A group, or the whole set, may be through. */
static void go_on(evaluation *self)
{
    bool at_end = self->position == self->of[self->part].images->n;
    if (at_end || self->position % EVALUATION_GROUP == 0) {
        self->of[self->part].loss_sum += self->group_sum;
        self->group_sum = 0.0;
    }
    if (!at_end)
        return;
    self->running = self->part + 1 < EVALUATION_PARTS && self->of[self->part + 1].images;
    if (self->running) {
        self->part++;
        self->position = 0;
    }
}

bool evaluation_slice(evaluation *self, double t_s)
{
    if (!self->running)
        return false;
    size_t n = slice_images(self, t_s), width = (size_t)self->engine->width;
    size_t n_blocks = (n + width - 1) / width;
    double start = clock_now();
    forward(self, self->input, self->of[self->part].images, self->position, n);
    self->t_block_s = (clock_now() - start) / (double)n_blocks;
    for (size_t k = 0; k < n; k++)
        add_image(self, k);
    self->position += n;
    go_on(self);
    return true;
}

void evaluation_finish(evaluation *self)
{
    while (evaluation_slice(self, INFINITY))
        ;
}

double evaluation_share(const evaluation *self)
{
    double done = (double)self->position, all = 0.0;
    for (int k = 0; k < EVALUATION_PARTS && self->of[k].images; k++) {
        all += (double)self->of[k].images->n;
        done += k < self->part ? (double)self->of[k].images->n : 0.0;
    }
    return done / all;
}

double evaluation_loss(const evaluation *self, enum evaluation_part part)
{
    const evaluation_set *of = &self->of[part];
    return of->images ? of->loss_sum / (double)of->images->n : NAN;
}

double evaluation_accuracy(const evaluation *self, enum evaluation_part part)
{
    const evaluation_set *of = &self->of[part];
    return of->images ? (double)of->n_correct / (double)of->images->n : NAN;
}

/* ---- several views ------------------------------------------------------------------------------- */

/* Of n images from one on: those taken for what they are, by the mean of all views. */
static size_t count_correct(evaluation *self, const dataset *set, size_t first, size_t n)
{
    const size_t n_classes = (size_t)self->model->n_classes;
    views *see = &self->views;
    double *logits = self->mean + EVALUATION_GROUP * n_classes;
    size_t n_correct = 0;
    memset(self->mean, 0, n * n_classes * sizeof *self->mean);
    for (int v = 0; v < see->n; v++) {
        forward(self, views_show(see, v), set, first, n);
        for (size_t k = 0; k < n; k++) {
            for (size_t c = 0; c < n_classes; c++)
                logits[c] = (double)self->engine->network_logit(self->net, k, (int)c);
            views_add(see, v, (int)n_classes, logits, self->mean + k * n_classes);
        }
    }
    for (size_t k = 0; k < n; k++) {
        const double *mean = self->mean + k * n_classes;
        size_t guess = 0;
        for (size_t c = 1; c < n_classes; c++)
            guess = mean[c] > mean[guess] ? c : guess;
        n_correct += guess == self->engine->network_label(self->net, k);
    }
    return n_correct;
}

double evaluation_tta(evaluation *self)
{
    const dataset *set = self->of[EVALUATION_TEST].images;
    size_t n_correct = 0;
    if (self->views.n == 0)
        return NAN;
    for (size_t first = 0; first < set->n; first += EVALUATION_GROUP)
        n_correct +=
            count_correct(self, set, first,
                          set->n - first < EVALUATION_GROUP ? set->n - first : EVALUATION_GROUP);
    return (double)n_correct / (double)set->n;
}
