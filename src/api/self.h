/*
 * self.h - what a bramble_model is, for the files of this room
 */
#ifndef BRAMBLE_API_SELF_H
#define BRAMBLE_API_SELF_H

#include "base/error.h"
#include "data/input.h"
#include "engine/engine.h"
#include "model/model.h"
#include "record/images.h"
#include "settings.h"

#include <bramble.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A network for batches of so many images, by one engine. */
typedef struct runner {
    const engine *engine;
    network *net; /* NULL: not made yet */
    size_t max_images;
    int n_threads;
} runner;

struct bramble_model {
    char *text;  /* of the model file */
    char *where; /* its name in messages */
    model *model;
    char *normalisation;
    input_values values;
    input_rule input;
    char (*class_names)[RECORD_CLASS_BYTES];
    float *w, *g; /* weights; gradient, NULL before the first step */
    const engine *engine;
    settings settings;
    pthread_t started_by; /* the thread that was seen to get as many threads as are set */
    size_t rule;          /* which of the optimizer's rules */
    runner forward, training;
    optimizer by;  /* by.model is NULL before the first step */
    uint64_t seen; /* images of this epoch */
};

/* self_answer - tell the caller what became of a call: true where found says nothing */
bool self_answer(const error *found, bramble_error *err);

/* self_text - a copy, for memory_free; NULL with err: memory */
char *self_text(const char *text, error *err);

/* self_normalise - as the option --normalise, but for `measured`; false with err, nothing being changed */
bool self_normalise(bramble_model *self, const char *text, error *err);

/* self_start - can the calling thread have so many threads?  false with err */
bool self_start(bramble_model *self, int n_threads, error *err);

/*
 * runner_ready - a network for n images of the model with as many threads as are set; false with err: memory
 * runner_free - it is made anew when it is needed
 */
bool runner_ready(runner *self, bramble_model *of, size_t n, bool training, error *err);
void runner_free(runner *self);

#endif
