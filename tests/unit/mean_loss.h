/*
 * mean_loss.h - for the tests of gradients: the mean loss of a whole network, as training computes it, against
 * central differences
 */
#ifndef BRAMBLE_TESTS_MEAN_LOSS_H
#define BRAMBLE_TESTS_MEAN_LOSS_H

#include "difference.h"
#include "networks.h"

#include "kernels/reference.h"

enum { MEAN_LOSS_IMAGES = 11 };

typedef struct mean_loss {
    network *net;
    network_input input;
    const images *data;
    const float *w;
    float *g; /* for nobody: but what a batch normalises by is its own only in training */
    int n_classes;
} mean_loss;

static inline double mean_loss_value(void *arg, double *magnitude)
{
    mean_loss *self = arg;
    double sum = 0.0, largest = 0.0;
    network_gradient(self->net, self->w, self->g, &self->input, MEAN_LOSS_IMAGES);
    for (size_t k = 0; k < MEAN_LOSS_IMAGES; k++) {
        float logits[256];
        for (int c = 0; c < self->n_classes; c++) {
            logits[c] = network_logit(self->net, k, c);
            largest = fmax(largest, fabs((double)logits[c]));
        }
        sum += reference_softmax(self->n_classes, logits, self->data->labels[k],
                                 &(loss_rule){.scale = 1.0F}, NULL, NULL);
    }
    *magnitude =
        2.0 * (1.0 + largest); /* logits are rounded a few times, and a mean taken of them */
    return sum / MEAN_LOSS_IMAGES;
}

/* The gradient of every trained tensor of a model, called `text` in messages. */
static inline void check_mean_loss(const model *m, const char *text)
{
    images data;
    images_new(&data, m, MEAN_LOSS_IMAGES);
    float *w = weights_new(m), *g = guarded_new(m->n_weights * sizeof *g);
    for (size_t k = 0; k < m->n_trained; k++)
        w[k] *= 2.0F; /* so that the gradients of the first layers are not too small */
    mean_loss c = {network_of(m, MEAN_LOSS_IMAGES, true, 1),
                   {.load = images_load, .arg = &data},
                   &data,
                   w,
                   guarded_new(m->n_weights * sizeof(float)),
                   m->n_classes};
    network_result result = network_gradient(c.net, w, g, &c.input, MEAN_LOSS_IMAGES);
    double magnitude, loss = mean_loss_value(&c, &magnitude);
    assert_true(fabs(result.loss_sum / MEAN_LOSS_IMAGES - loss) < 8.0 * ROUNDING * magnitude);
    int n_checks = 0, n_sharp = 0;
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        char what[1000];
        if (t->role == TENSOR_STATISTIC)
            continue;
        snprintf(what, sizeof what, "%s in %s", t->name, text);
        function f = {mean_loss_value, &c, w + t->offset, t->count, g + t->offset, what, 0, 0};
        check_gradient(&f);
        n_checks += f.n_checks;
        n_sharp += f.n_sharp;
    }
    assert_sharp(&(function){.what = text, .n_checks = n_checks, .n_sharp = n_sharp});
    guarded_free(w);
    guarded_free(g);
    guarded_free(c.g);
    images_free(&data);
    network_free(c.net);
}

#endif
