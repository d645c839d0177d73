#include "model/model.h"

#include "base/memory.h"
#include "build.h"
#include "parse.h"

#include <string.h>

typedef bool build(model *self, const char *where, error *err);

static model *make(const char *where, const char *text, build *how, error *err)
{
    model *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->layers = memory_new(MODEL_MAX_LAYERS, sizeof *self->layers, err);
    if (!self->layers || !parse_model(self, where, text, err) || !how(self, where, err)) {
        model_free(self);
        return NULL;
    }
    return self;
}

model *model_new(const char *where, const char *text, error *err)
{
    return make(where, text, build_model, err);
}

model *model_outline(const char *where, const char *text, error *err)
{
    return make(where, text, build_outline, err);
}

void model_free(model *self)
{
    if (!self)
        return;
    memory_free(self->layers);
    memory_free(self->places);
    memory_free(self->tensors);
    memory_free(self->groups);
    memory_free(self);
}

void model_init(const model *self, float *w, uint64_t seed)
{
    uint32_t stream = 0;
    for (int k = 0; k < self->n_layers; k++) {
        const layer *l = &self->layers[k];
        const model_place *at = &self->places[k];
        if (l->kind->init)
            l->kind->init(l, w + at->trained, w + at->statistics, seed, stream);
        stream += (uint32_t)l->n_tensors;
    }
}

typedef void convert(const layer *self, const float *from, float *to);

static void convert_layer(const model *self, int k, convert *how, const float *from, float *to)
{
    const layer *l = &self->layers[k];
    size_t at = self->places[k].statistics;
    if (how)
        how(l, from + at, to + at);
    else if (from != to && l->n_statistics > 0)
        memcpy(to + at, from + at, l->n_statistics * sizeof *to);
}

void model_to_moments(const model *self, const float *w, float *moments)
{
    for (int k = 0; k < self->n_layers; k++)
        convert_layer(self, k, self->layers[k].kind->to_moments, w, moments);
}

void model_from_moments(const model *self, const float *moments, float *w)
{
    for (int k = 0; k < self->n_layers; k++)
        convert_layer(self, k, self->layers[k].kind->from_moments, moments, w);
}

const char *model_layer_of(const model *self, size_t k)
{
    const char *name = "";
    for (int j = 0; j < self->n_layers; j++) {
        const layer *l = &self->layers[j];
        const model_place *at = &self->places[j];
        if (k - at->trained < l->n_trained || k - at->statistics < l->n_statistics)
            name = l->name;
    }
    return name;
}
