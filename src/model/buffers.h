/*
 * buffers.h - which activations and gradients may share memory; inside this room only
 *
 * A moment is what lies between two barriers of a step: threads are in the same moment at once, and what they
 * do in different ones happens one after the other.  A buffer lives from the moment of its first write to
 * that of its last read; two that live in different moments may have the same memory.
 */
#ifndef BRAMBLE_MODEL_BUFFERS_H
#define BRAMBLE_MODEL_BUFFERS_H

#include "stages.h"

#include <limits.h>

enum { BUFFERS_ALWAYS = INT_MAX };

typedef struct buffer {
    size_t size;     /* vecs per block; 0: none, and no slot */
    int first, last; /* moments, both included; of all that have its memory */
    struct buffer
        *in;  /* of the same size, whose memory it has (in_place in layer.h); NULL: its own */
    int slot; /* -1: none */
} buffer;

/*
 * buffers_of - how long the outputs and gradients of a model live
 *   training   in   whether a backward pass follows
 *   outputs    out  n_layers, by layer
 *   gradients  out  likewise, of the outputs; size 0 unless training
 * The last layer's output lives on behind the step.  Where a layer may work in place, and nobody needs what it
 * overwrites, its output is in one of its inputs, and that one's gradient in its own.
 */
void buffers_of(const model *of, const stage *stages, int n_stages, bool training, buffer *outputs,
                buffer *gradients);

/*
 * buffers_own - which of them live only while one block passes through a stage, forward or backward
 *   own  out  2 * n_layers: those of outputs, then of gradients, size 0 for all others; first and last are layers as a
 *             block passes them, there and back, for buffers_place
 * They may lie in memory of each thread's own, of one block, which stays in its cache.  gradients follow outputs in memory.
 */
void buffers_own(const model *of, const stage *stages, int n_stages, bool training,
                 const buffer *outputs, const buffer *gradients, buffer *own);

/*
 * buffers_place - give each of n buffers a slot, 0 .. result - 1
 *   sizes  out  n: what each slot must hold, the largest of its buffers
 * The largest are placed first, each in the first slot that is free while it lives.
 */
int buffers_place(buffer *all, int n, size_t *sizes);

#endif
