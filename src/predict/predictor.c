#include "predict/predictor.h"

#include "base/memory.h"
#include "data/picture.h"
#include "kernels/team.h"

#include <assert.h>
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
    self->shares = memory_new((n + 1) * n_classes, sizeof *self->shares, err);
    if (!self->places || !self->plain || !self->shares)
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
    memory_free(self->shares);
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

/* Of a picture of the group. */
static double *shares_of(const predictor *self, size_t k)
{
    return self->shares + k * (size_t)self->model->n_classes;
}

/* Adds what view v says of each picture. */
static void look(predictor *self, const input_rule *how, int v, size_t n)
{
    const int n_classes = self->model->n_classes;
    double *logits = shares_of(self, PREDICTOR_GROUP);
    engine_images from = {self->with.engine, how, &self->images, {.indices = self->places, .n = n}};
    const network_input images = {.load = engine_load, .arg = &from};
    (void)self->with.engine->network_forward(self->net, self->w, &images, n);
    for (size_t k = 0; k < n; k++) {
        for (int c = 0; c < n_classes; c++)
            logits[c] = (double)self->with.engine->network_logit(self->net, k, c);
        views_add(&self->views, v, n_classes, logits, shares_of(self, self->places[k]));
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
    memset(self->shares, 0, n * (size_t)self->model->n_classes * sizeof *self->shares);
    if (n_good == 0)
        return;
    const bool several = self->views.n > 0;
    for (int v = 0; v < (several ? self->views.n : 1); v++) {
        look(self, several ? views_show(&self->views, v) : &self->input, v, n_good);
        for (size_t k = 0; v == 0 && k < n_good; k++) /* the first view is the image itself */
            self->plain[self->places[k]] = self->with.engine->network_guess(self->net, k);
    }
    for (size_t k = 0; k < n_good; k++)
        views_shares(&self->views, self->model->n_classes, shares_of(self, self->places[k]));
}

/* ---- what came of it ----------------------------------------------------------------------------- */

int predictor_guess(const predictor *self, size_t k)
{
    const double *shares = shares_of(self, k);
    int guess = 0;
    for (int c = 1; c < self->model->n_classes; c++)
        guess = shares[c] > shares[guess] ? c : guess;
    return guess;
}

int predictor_plain(const predictor *self, size_t k)
{
    return self->plain[k];
}

double predictor_share(const predictor *self, size_t k, int class_number)
{
    return shares_of(self, k)[class_number];
}

void predictor_shares(const predictor *self, size_t k, double *shares)
{
    memcpy(shares, shares_of(self, k), (size_t)self->model->n_classes * sizeof *shares);
}

const uint8_t *predictor_image(const predictor *self, size_t k)
{
    return self->images.images + k * image_bytes(self->images.shape);
}
