/*
 * engine.h - what depends on the instruction set and on the width of a block, compiled several times
 *
 * An engine is one compilation of the kernels, the kinds of layers, networks, optimizers and what loads images: for an
 * instruction set, and for blocks of so many images side by side.  A program holds several (ENGINES in the Makefile);
 * which it computes with is chosen once, by what the processor has, and then by the size of a batch.  A model is the
 * same description for all.  All that have fused multiply-adds give the same bits.
 */
#ifndef BRAMBLE_ENGINE_ENGINE_H
#define BRAMBLE_ENGINE_ENGINE_H

#include "base/error.h"
#include "data/batch.h"
#include "kernels/peak.h"
#include "layers/layer.h"
#include "model/network.h"

#include <stdbool.h>
#include <stddef.h>

/* The functions are those of the same name: their headers are the contract, VEC_WIDTH being width. */
typedef struct engine {
    const char *isa; /* "avx512" */
    int width;       /* images side by side */
    bool fused;      /* has fused multiply-adds */
    const layer_kind *const *layer_kinds;
    __typeof__(network_new)
        *network_new; /* of a model with this engine's kinds: engine_network_new */
    __typeof__(network_free) *network_free;
    __typeof__(network_forward) *network_forward;
    __typeof__(network_smooth_labels) *network_smooth_labels;
    __typeof__(network_mix_labels) *network_mix_labels;
    __typeof__(network_measure) *network_measure;
    __typeof__(network_gradient) *network_gradient;
    __typeof__(network_step) *network_step;
    __typeof__(network_logit) *network_logit;
    __typeof__(network_loss) *network_loss;
    __typeof__(network_guess) *network_guess;
    __typeof__(network_label) *network_label;
    const optimizer_rule *const *optimizer_rules; /* in the order of the program's own */
    __typeof__(optimizer_step) *optimizer_step;   /* of one of these rules */
    __typeof__(batch_load_block) *batch_load_block;
    __typeof__(peak_flops) *peak_flops;
} engine;

/* engine_own - compiled like the rest of the program; engines - all that it holds, the best first, NULL-terminated */
extern const engine engine_own;
extern const engine *const engines[];

/* engine_runs - does this processor have what the engine needs? */
bool engine_runs(const engine *self);

/*
 * engine_isa - the names that may be asked for: "auto", "sse2", ...; NULL past the last
 * engine_choose - the widest engine for one of them
 *   isa  in  a number for engine_isa; 0: the best that runs here
 * NULL with err (user): this program or this processor has none of that name.  Not collective.
 */
const char *engine_isa(size_t i);
const engine *engine_choose(int isa, error *err);

/* engine_for_batch - of the same instruction set, the one whose blocks suit batches of n_images */
const engine *engine_for_batch(const engine *self, size_t n_images);

/* engine_network_new - network_new (model/network.h) for a model with the program's own kinds of layers */
network *engine_network_new(const engine *self, const model *of, size_t max_images, bool training,
                            int n_threads, error *err);

/* Images of a set, as a rule makes them; engine_load - network_input's load, where arg is such */
typedef struct engine_images {
    const engine *engine;
    const input_rule *input;
    const dataset *set;
    samples batch;
} engine_images;
void engine_load(void *arg, size_t first, size_t n, float *x, uint16_t *labels);

/* What a rank computes with. */
typedef struct computing {
    const engine *engine; /* the widest of its instruction set */
    int n_threads;
} computing;

#endif
