#include "base/memory.h"
#include "engine/engine.h"
#include "kernels/simd.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ENGINES: the Makefile's list. */
#define DECLARE(name) extern const engine name;
#define LIST(name) &name,

ENGINES(DECLARE)

const engine *const engines[] = {ENGINES(LIST) NULL};

bool engine_runs(const engine *self)
{
    /* What is compiled like main itself has been asked for there. */
    return self == &engine_own || simd_runs(self->isa);
}

const char *engine_isa(size_t i)
{
    static const char *const names[] = {"auto", "sse2", "avx2", "avx512", "neon", "a76"};
    return i < sizeof names / sizeof *names ? names[i] : NULL;
}

/* "avx512, avx2 and sse2" */
static void list_isas(char *text, size_t n_bytes)
{
    const char *last = "";
    size_t used = 0;
    text[0] = '\0';
    for (const engine *const *e = engines; *e && used < n_bytes; e++) {
        if (strcmp((*e)->isa, last) != 0)
            used +=
                (size_t)snprintf(text + used, n_bytes - used, "%s%s", *last ? ", " : "", (*e)->isa);
        last = (*e)->isa;
    }
}

const engine *engine_choose(int isa, error *err)
{
    const char *name = isa > 0 ? engine_isa((size_t)isa) : NULL;
    char held[64];
    bool is_held = false;
    for (const engine *const *e = engines; *e; e++) {
        bool is_it = !name || strcmp((*e)->isa, name) == 0;
        if (is_it && engine_runs(*e))
            return *e;
        is_held = is_held || is_it;
    }
    list_isas(held, sizeof held);
    if (is_held)
        error_user(err, "--isa %s: this processor does not have it; leave the option out", name);
    else
        error_user(err, "--isa %s: this program is built for %s", name, held);
    return NULL;
}

const engine *engine_for_batch(const engine *self, size_t n_images)
{
    const engine *best = self;
    for (const engine *const *e = engines; *e; e++)
        if (strcmp((*e)->isa, self->isa) == 0 && (*e)->width < best->width &&
            n_images <= (size_t)(*e)->width)
            best = *e;
    return best;
}

/* A kind of layer as the engine has it: the same place in its lists. */
static const layer_kind *kind_of(const engine *self, const layer_kind *own)
{
    for (size_t k = 0; layer_kinds[k]; k++) {
        if (layer_kinds[k] == own)
            return self->layer_kinds[k];
        const layer_kind *const *others = layer_kinds[k]->others;
        for (size_t j = 0; others && others[j]; j++)
            if (others[j] == own)
                return self->layer_kinds[k]->others[j];
    }
    assert(false); /* a kind in no list */
    return own;
}

network *engine_network_new(const engine *self, const model *of, size_t max_images, bool training,
                            int n_threads, error *err)
{
    model mine = *of;
    mine.layers = memory_new((size_t)of->n_layers, sizeof *mine.layers, err);
    if (!mine.layers)
        return NULL;
    for (int k = 0; k < of->n_layers; k++) {
        mine.layers[k] = of->layers[k];
        mine.layers[k].kind = kind_of(self, of->layers[k].kind);
    }
    network *net = self->network_new(&mine, max_images, training, n_threads, err);
    memory_free(mine.layers); /* a network has its own copy */
    return net;
}

void engine_load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const engine_images *of = arg;
    of->engine->batch_load_block(of->input, of->set, &of->batch, first, n, x, labels);
}
