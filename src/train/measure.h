/*
 * measure.h - statistics of averaged weights, measured anew before they are tested
 *
 * What batch norm goes by was measured with the workers' weights, not with their mean.  So, where averages are rarer
 * than steps, some training images pass through the tested model once, in groups, each normalised by its own mean and
 * variance; the moments of all groups together are the model's statistics.  Weights stay as they are.
 * Source: Izmailov et al., arXiv:1803.05407, section 3.2.
 */
#ifndef BRAMBLE_TRAIN_MEASURE_H
#define BRAMBLE_TRAIN_MEASURE_H

#include "course.h"
#include "data/dataset.h"
#include "data/input.h"
#include "engine/engine.h"

enum {
    MEASURE_GROUP = 64
}; /* images normalised together; network and input rule have room for as many */

typedef struct measure {
    const model *of;
    const dataset *images;
    float *group; /* n_weights: what a group gave, behind the trained ones */
    double *sums; /* n_weights, likewise */
    size_t position;
    bool running;
} measure;

/* measure_images - how many a run is to take of its training images; 0: its models are tested as they are */
uint64_t measure_images(const train_options *options, const course *on, const model *of);

/*
 * measure_init - memory for it; both must outlive it.  No images: nothing is ever to be done.
 * false with err (environment).
 */
bool measure_init(measure *self, const model *of, const dataset *images, error *err);
void measure_release(measure *self);

/* measure_begin - another model */
void measure_begin(measure *self);

typedef struct measure_with {
    const engine *engine;
    network *net; /* the engine's */
    const input_rule *input;
} measure_with;

/*
 * measure_go_on - while self->running: pass one group through the net; after the last, which ends it, w has the
 *                 statistics of all
 */
void measure_go_on(measure *self, const measure_with *with, float *w);

#endif
