/*
 * predictor.h - what a model makes of pictures, a group at a time
 *
 * All threads decode the pictures of a group, each the next that nobody has, and then all take the group through the
 * network.
 */
#ifndef BRAMBLE_PREDICT_PREDICTOR_H
#define BRAMBLE_PREDICT_PREDICTOR_H

#include "base/error.h"
#include "data/dataset.h"
#include "data/input.h"
#include "data/views.h"
#include "engine/engine.h"
#include "predict/saved.h"

#include <stddef.h>
#include <stdint.h>

enum { PREDICTOR_GROUP = 64 };

/* A picture that is asked about. */
typedef struct predictor_picture {
    const char *name;    /* a path, where data is NULL */
    const uint8_t *data; /* n bytes */
    size_t n;
    error err; /* out: why there is no answer */
} predictor_picture;

typedef struct predictor {
    const model *model;
    const float *w;
    computing with;
    network *net;
    input_values values;
    input_rule input;
    views views;      /* n = 0: none */
    dataset images;   /* of a group */
    uint32_t *places; /* of those that could be read */
    double *shares;   /* [picture of the group][class], and a row for the logits of a view */
    uint16_t *plain;  /* [picture]: the guess by the image alone */
} predictor;

/*
 * predictor_init - for a model with its weights, which must outlive it; predictor_release frees it, also after failure
 *   see  in  views whose mean is taken
 * Returns false with err: a model that takes other than 1 or 3 channels (user), memory.  Not collective.
 */
bool predictor_init(predictor *self, const saved_model *of, enum views_kind see,
                    const computing *with, error *err);
void predictor_release(predictor *self);

/* predictor_run - look at n <= PREDICTOR_GROUP pictures; err of each is written */
void predictor_run(predictor *self, predictor_picture *pictures, size_t n);

/* predictor_shares - of picture k of the last group, one that could be read: the probability of each class, 1 together */
void predictor_shares(const predictor *self, size_t k, double *shares);

/* predictor_share - of one class; predictor_image - as the model saw it, image_bytes(images.shape) */
double predictor_share(const predictor *self, size_t k, int class_number);
const uint8_t *predictor_image(const predictor *self, size_t k);

/* predictor_guess - the class that is most probable, of several the first; predictor_plain - by the image alone */
int predictor_guess(const predictor *self, size_t k);
int predictor_plain(const predictor *self, size_t k);

#endif
