#include "local.h"

#include "base/memory.h"

#include <string.h>

bool local_check(const model *of, error *err)
{
    return of->n_weights > of->n_trained ||
           error_user(err,
                      "--local-statistics: model %s has no batchnorm layer, so there is nothing "
                      "that clients could keep; leave it out",
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

bool local_init(local *self, const model *of, int n_clients, error *err)
{
    *self = (local){.n_clients = n_clients};
    self->pieces = memory_new(2 * (size_t)of->n_layers, sizeof *self->pieces, err);
    if (!self->pieces)
        return false;
    find_pieces(self, of);
    self->own = memory_new((size_t)n_clients, self->n * sizeof *self->own, err);
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

float *local_own(const local *self, int k)
{
    return self->own + (size_t)k * self->n;
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

void local_begin(local *self, const float *w)
{
    for (int k = 0; k < self->n_clients; k++)
        pack(self, w, local_own(self, k));
}

void local_give(const local *self, int k, float *w)
{
    if (self->n > 0)
        unpack(self, local_own(self, k), w);
}

void local_take(local *self, int k, const float *w)
{
    if (self->n > 0)
        pack(self, w, local_own(self, k));
}

void local_mean(local *self, const float *w)
{
    pack(self, w, self->mean);
}

void local_share(const local *self, float *w)
{
    unpack(self, self->mean, w);
}
