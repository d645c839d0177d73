#include "engine/engine.h"

#include "kernels/simd.h"

/* This file, too, is compiled for every engine: the Makefile gives this symbol the name of each. */
const engine engine_own = {
    .isa = SIMD_NAME,
    .width = VEC_WIDTH,
    .fused = SIMD_FUSED,
    .layer_kinds = layer_kinds,
    .network_new = network_new,
    .network_free = network_free,
    .network_forward = network_forward,
    .network_smooth_labels = network_smooth_labels,
    .network_mix_labels = network_mix_labels,
    .network_measure = network_measure,
    .network_gradient = network_gradient,
    .network_step = network_step,
    .network_logit = network_logit,
    .network_loss = network_loss,
    .network_guess = network_guess,
    .network_label = network_label,
    .optimizer_rules = optimizer_rules,
    .optimizer_step = optimizer_step,
    .batch_load_block = batch_load_block,
    .peak_flops = peak_flops,
};
