#include "predict/predictor.h"

#include "base/memory.h"
#include "data/picture.h"
#include "kernels/team.h"

#include <assert.h>
#include <math.h>
#include <string.h>

bool predictor_init(predictor *self, const saved_model *of, enum views_kind see,
                    const computing *with, error *err)
{
    const layer_shape *in = &of->model->input;
    const image_shape shape = {in->channels, in->height, in->width, of->model->n_classes};
    const size_t n = PREDICTOR_GROUP, n_classes = (size_t)of->model->n_classes;
    *self = (predictor){.model = of->model, .w = of->w, .with = *with};
    if (shape.channels != 1 && shape.channels != 3)
        return error_user(err, "%s takes images of %d channels: pictures have 1 or 3", of->where,
                          shape.channels);
    if (!views_check(see, shape, err) || !input_values_init(&self->values, shape, err) ||
        !saved_normalise(of, &self->values, err) ||
        !input_rule_init(&self->input, &self->values, err) ||
        !views_init(&self->views, see, &self->values, n, err) ||
        !dataset_init(&self->images, shape, n, err))
        return false;
    self->places = memory_new(n, sizeof *self->places, err);
    self->plain = memory_new(n, sizeof *self->plain, err);
    self->logits = memory_new((n + 1) * n_classes, sizeof *self->logits, err);
    if (!self->places || !self->plain || !self->logits)
        return false;
    self->net = engine_network_new(with->engine, of->model, n, false, with->n_threads, err);
    return self->net != NULL;
}

void predictor_release(predictor *self)
{
    if (self->net)
        self->with.engine->network_free(self->net);
    memory_free(self->places);
    memory_free(self->plain);
    memory_free(self->logits);
    dataset_release(&self->images);
    views_release(&self->views);
    input_rule_release(&self->input);
    input_values_release(&self->values);
    *self = (predictor){0};
}

/* ---- a group ------------------------------------------------------------------------------------- */

typedef struct decoding {
    predictor *by;
    predictor_picture *pictures;
    size_t n, next; /* next: that no thread has taken */
} decoding;

/* Pictures differ much in size. */
static void decode(const team *self, void *arg)
{
    (void)self;
    decoding *d = arg;
    const image_shape shape = d->by->images.shape;
    for (size_t k; (k = __atomic_fetch_add(&d->next, 1, __ATOMIC_RELAXED)) < d->n;) {
        predictor_picture *p = &d->pictures[k];
        uint8_t *image = d->by->images.images + k * image_bytes(shape);
        p->err = (error){0};
        if (p->data)
            (void)picture_decode(p->name, p->data, p->n, shape, image, &p->err);
        else
            (void)picture_load(p->name, shape, image, &p->err);
    }
}

/* Adds what is seen in one view to what is known of each picture. */
static void look(predictor *self, const input_rule *how, int v, size_t n)
{
    const size_t n_classes = (size_t)self->model->n_classes;
    double *logits = self->logits + PREDICTOR_GROUP * n_classes;
    engine_images from = {self->with.engine, how, &self->images, {.indices = self->places, .n = n}};
    const network_input images = {.load = engine_load, .arg = &from};
    (void)self->with.engine->network_forward(self->net, self->w, &images, n);
    for (size_t k = 0; k < n; k++) {
        for (size_t c = 0; c < n_classes; c++)
            logits[c] = (double)self->with.engine->network_logit(self->net, k, (int)c);
        views_add(&self->views, v, (int)n_classes, logits,
                  self->logits + self->places[k] * n_classes);
    }
}

void predictor_run(predictor *self, predictor_picture *pictures, size_t n)
{
    assert(n <= PREDICTOR_GROUP);
    decoding d = {self, pictures, n, 0};
    size_t n_good = 0;
    team_run(self->with.n_threads, decode, &d);
    for (size_t k = 0; k < n; k++)
        if (pictures[k].err.kind == ERROR_NONE)
            self->places[n_good++] = (uint32_t)k;
    memset(self->logits, 0, n * (size_t)self->model->n_classes * sizeof *self->logits);
    if (n_good == 0)
        return;
    if (self->views.n == 0)
        look(self, &self->input, 0, n_good);
    for (int v = 0; v < self->views.n; v++) {
        look(self, views_show(&self->views, v), v, n_good);
        for (size_t k = 0; v == 0 && k < n_good; k++) /* the first view is the image itself */
            self->plain[self->places[k]] = self->with.engine->network_guess(self->net, k);
    }
    for (size_t k = 0; self->views.n == 0 && k < n_good; k++)
        self->plain[self->places[k]] = self->with.engine->network_guess(self->net, k);
    for (size_t k = 0; k < n_good; k++)
        views_logits(&self->views, self->model->n_classes,
                     self->logits + self->places[k] * (size_t)self->model->n_classes);
}

/* ---- what came of it ----------------------------------------------------------------------------- */

int predictor_guess(const predictor *self, size_t k)
{
    const double *logits = self->logits + k * (size_t)self->model->n_classes;
    int guess = 0;
    for (int c = 1; c < self->model->n_classes; c++)
        guess = logits[c] > logits[guess] ? c : guess;
    return guess;
}

int predictor_plain(const predictor *self, size_t k)
{
    return self->plain[k];
}

/* In the order of classes, so that both functions give the same bits. */
static double sum_of(const predictor *self, size_t k, double most)
{
    const double *logits = self->logits + k * (size_t)self->model->n_classes;
    double sum = 0.0;
    for (int c = 0; c < self->model->n_classes; c++)
        sum += exp(logits[c] - most);
    return sum;
}

double predictor_share(const predictor *self, size_t k, int class_number)
{
    const double *logits = self->logits + k * (size_t)self->model->n_classes,
                 most = logits[predictor_guess(self, k)];
    return exp(logits[class_number] - most) / sum_of(self, k, most);
}

void predictor_shares(const predictor *self, size_t k, double *shares)
{
    const int n = self->model->n_classes;
    const double *logits = self->logits + k * (size_t)n, most = logits[predictor_guess(self, k)],
                 sum = sum_of(self, k, most);
    for (int c = 0; c < n; c++)
        shares[c] = exp(logits[c] - most) / sum;
}

const uint8_t *predictor_image(const predictor *self, size_t k)
{
    return self->images.images + k * image_bytes(self->images.shape);
}
