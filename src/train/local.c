#include "local.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <string.h>

bool local_check(const model *of, error *err)
{
    return of->n_weights > of->n_trained ||
           error_user(err,
                      "--local-statistics: model %s has no batchnorm layer, so there is nothing "
                      "that workers could keep; leave it out",
                      of->name);
}

static void add(local *self, size_t begin, size_t n)
{
    if (n == 0)
        return;
    self->pieces[self->n_pieces++] = (local_piece){begin, n};
    self->n += n;
}

static void find_pieces(local *self, const model *of)
{
    for (int k = 0; k < of->n_layers; k++) {
        const layer *l = &of->layers[k];
        if (l->n_statistics == 0)
            continue;
        add(self, of->places[k].trained, l->n_trained);
        add(self, of->places[k].statistics, l->n_statistics);
    }
}

bool local_init(local *self, const model *of, error *err)
{
    *self = (local){0};
    self->pieces = memory_new(2 * (size_t)of->n_layers, sizeof *self->pieces, err);
    if (!self->pieces)
        return false;
    find_pieces(self, of);
    self->own = memory_new(self->n, sizeof *self->own, err);
    self->mean = memory_new(self->n, sizeof *self->mean, err);
    return self->own && self->mean;
}

void local_release(local *self)
{
    memory_free(self->pieces);
    memory_free(self->own);
    memory_free(self->mean);
    *self = (local){0};
}

static void pack(const local *self, const float *w, float *packed)
{
    for (size_t k = 0; k < self->n_pieces; k++) {
        const local_piece *at = &self->pieces[k];
        memcpy(packed, w + at->begin, at->n * sizeof *packed);
        packed += at->n;
    }
}

static void unpack(const local *self, const float *packed, float *w)
{
    for (size_t k = 0; k < self->n_pieces; k++) {
        const local_piece *at = &self->pieces[k];
        memcpy(w + at->begin, packed, at->n * sizeof *packed);
        packed += at->n;
    }
}

void local_begin(local *self, float *w, bool resumed)
{
    if (!transport_is_worker())
        return;
    if (resumed)
        unpack(self, self->own, w);
    else
        pack(self, w, self->own);
}

void local_take(local *self, const float *w)
{
    pack(self, w, self->own);
}

void local_mean(local *self, const float *w)
{
    pack(self, w, self->mean);
}

void local_share(const local *self, float *w)
{
    unpack(self, self->mean, w);
}

void local_give(local *self, float *w, bool anew)
{
    if (!transport_is_worker())
        return;
    if (anew)
        pack(self, w, self->own);
    else
        unpack(self, self->own, w);
}
