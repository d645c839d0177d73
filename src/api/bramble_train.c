#include "base/memory.h"
#include "self.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- settings ------------------------------------------------------------------------------------ */

bool bramble_set(bramble_model *self, const char *name, double value, bramble_error *err)
{
    error found = {0};
    settings changed = self->settings;
    if (settings_set(&changed, name, value, &found) &&
        (changed.threads == self->settings.threads ||
         self_start(self, (int)changed.threads, &found))) {
        self->settings = changed;
        self->seen = strcmp(name, "epoch") == 0 ? 0 : self->seen;
    }
    return self_answer(&found, err);
}

double bramble_get(const bramble_model *self, const char *name)
{
    const double *value = settings_find(&self->settings, name);
    return value ? *value : (double)NAN;
}

bool bramble_set_optimizer(bramble_model *self, const char *name, bramble_error *err)
{
    error found = {0};
    size_t k = 0;
    while (optimizer_name(k) && strcmp(optimizer_name(k), name) != 0)
        k++;
    if (optimizer_name(k)) {
        self->rule = k;
        optimizer_release(&self->by);
    } else {
        error_user(&found, "optimizer %.60s: expected", name);
        for (k = 0; optimizer_name(k); k++) {
            size_t used = strlen(found.text);
            snprintf(found.text + used, sizeof found.text - used, "%s%s", k > 0 ? ", " : " ",
                     optimizer_name(k));
        }
    }
    return self_answer(&found, err);
}

static optimizer_settings settings_of(const settings *s)
{
    return (optimizer_settings){
        .lr = s->lr,
        .momentum = s->momentum,
        .weight_decay = s->weight_decay,
        .beta1 = s->beta1,
        .beta2 = s->beta2,
        .epsilon = s->epsilon,
        .muon_lr = s->muon_lr,
        .muon_momentum = s->muon_momentum,
        .muon_dense = s->muon_dense > 0.0,
        .clip_norm = s->clip_norm,
        .nesterov = s->nesterov > 0.0,
        .decoupled = s->decoupled > 0.0,
    };
}

/* ---- a step -------------------------------------------------------------------------------------- */

typedef struct loading {
    const bramble_model *of;
    dataset batch;
} loading;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const loading *from = arg;
    const samples all = {.n = from->batch.n};
    const engine *by = from->of->training.engine;
    by->batch_load_block(&from->of->input, &from->batch, &all, first, n, x, labels);
}

/* Each image of an epoch has a number of its own, by which dropout draws. */
static void number_images(void *arg, size_t first, size_t n, uint32_t *numbers)
{
    const loading *from = arg;
    for (size_t k = 0; k < n; k++)
        numbers[k] = (uint32_t)(from->of->seen + first + k);
}

static bool check_batch(const bramble_model *self, const uint16_t *labels, size_t n, error *err)
{
    const model *m = self->model;
    if (n < 1 || n > BRAMBLE_MAX_BATCH)
        return error_user(err, "a batch of %zu images: expected 1 to %d", n, BRAMBLE_MAX_BATCH);
    for (int k = 0; k < m->n_layers; k++)
        if (n < (size_t)m->layers[k].min_images)
            return error_user(err,
                              "a batch of %zu image%s: layer [%s] needs %d at least for a variance",
                              n, n == 1 ? "" : "s", m->layers[k].name, m->layers[k].min_images);
    for (size_t k = 0; k < n; k++)
        if (labels[k] >= m->n_classes)
            return error_user(err, "label %d of image %zu: the model has classes 0 to %d",
                              labels[k], k, m->n_classes - 1);
    return true;
}

/* Memory for a step, and the optimizer as it is set. */
static bool prepare(bramble_model *self, size_t n, error *err)
{
    const model *m = self->model;
    const optimizer_settings with = settings_of(&self->settings);
    if (!runner_ready(&self->training, self, n, true, err) ||
        (!self->g && !(self->g = memory_new(m->n_weights, sizeof *self->g, err))))
        return false;
    const engine *by = self->training.engine;
    const optimizer_rule *rule = by->optimizer_rules[self->rule];
    if (!self->by.model && !optimizer_init(&self->by, rule, &with, m, err)) {
        optimizer_release(&self->by);
        return false;
    }
    self->by.rule = rule; /* of another engine for another size of batch: the states are the same */
    self->by.settings = with;
    self->by.factor = self->settings.rate;
    self->by.epoch = self->settings.epoch;
    by->network_smooth_labels(self->training.net, (float)self->settings.label_smoothing);
    return true;
}

static network_result take_step(bramble_model *self, dataset batch)
{
    loading from = {self, batch};
    const network_input input = {load, &from, number_images, (uint64_t)self->settings.seed,
                                 (uint32_t)self->settings.epoch};
    const network_vectors at = {self->w, self->g};
    network_result result =
        self->training.engine->network_step(self->training.net, &at, &self->by, &input, batch.n);
    self->seen += batch.n;
    return result;
}

bool bramble_train(bramble_model *self, const uint8_t *images, const uint16_t *labels, size_t n,
                   bramble_step *step, bramble_error *err)
{
    error found = {0};
    uint32_t *numbers = NULL;
    if (check_batch(self, labels, n, &found) && prepare(self, n, &found) &&
        (numbers = memory_new(n, sizeof *numbers, &found))) {
        network_result result = take_step(self, (dataset){.shape = self->input.from,
                                                          .n = n,
                                                          .images = (uint8_t *)images,
                                                          .labels = (uint16_t *)labels,
                                                          .numbers = numbers});
        bramble_step told = {result.loss_sum / (double)n, (double)result.n_correct / (double)n};
        if (step)
            *step = told;
        if (!isfinite(told.loss))
            error_user(&found, "the loss is not finite: the training has diverged; go on from "
                               "former weights with a smaller lr");
    }
    memory_free(numbers);
    return self_answer(&found, err);
}
