/*
 * saved.h - a trained model from a file: its layers, its weights, and what it was trained with
 */
#ifndef BRAMBLE_PREDICT_SAVED_H
#define BRAMBLE_PREDICT_SAVED_H

#include "base/error.h"
#include "data/input.h"
#include "model/model.h"
#include "options/option.h"
#include "record/images.h"

/* What is asked for; "" where nothing is said. */
typedef struct saved_request {
    const char *file;      /* FILE.h5 or FILE.h5:/GROUP */
    const char *model;     /* a model file, or a bare name; "": the description in the file */
    const char *normalise; /* "": as the file says, else half */
} saved_request;

typedef struct saved_model {
    const char *file; /* the request's */
    char where[OPTION_TEXT_BYTES + 32];
    char *text;
    model *model;
    char normalise[OPTION_TEXT_BYTES]; /* "": half */
    char (*class_names)
        [RECORD_CLASS_BYTES]; /* of n_class_names, printable; NULL: the file has none */
    int n_class_names;
    char simulated[256]; /* record_simulated: the run that has trained it */
    float *w;            /* of saved_weights */
} saved_model;

/*
 * saved_read - the description; saved_release frees it, also after failure
 * Returns false with err: no such file, no result file where no model is named, normalised otherwise (user).
 * saved_weights - the weights: a second step, behind what is cheaper to check.  Not collective.
 */
bool saved_read(saved_model *self, const saved_request *asked, error *err);
bool saved_weights(saved_model *self, error *err);
void saved_release(saved_model *self);

/* saved_normalise - the values that its images are to be made with; false with err (user) */
bool saved_normalise(const saved_model *self, input_values *values, error *err);

#endif
