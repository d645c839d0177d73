/*
 * settings.h - what bramble_set knows: names, bounds and values at first, those of the options of bramble train
 */
#ifndef BRAMBLE_API_SETTINGS_H
#define BRAMBLE_API_SETTINGS_H

#include "base/error.h"

#include <stdbool.h>

typedef struct settings {
    double threads, seed, epoch, rate;
    double lr, momentum, nesterov, weight_decay, decoupled, beta1, beta2, epsilon;
    double muon_lr, muon_momentum, muon_dense, clip_norm, label_smoothing;
} settings;

/* settings_init - as they are at first */
void settings_init(settings *self);

/* settings_find - where a setting's value is, or NULL */
const double *settings_find(const settings *self, const char *name);

/* settings_set - false with err (user): there is none of that name, or its bounds */
bool settings_set(settings *self, const char *name, double value, error *err);

#endif
