#include "settings.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct row {
    const char *name;
    double low, high, initial;
    bool whole;
    size_t offset;
} row;

#define BELOW_ONE 0.9999999
#define LARGEST_WHOLE 9007199254740992.0 /* that a double holds with all below it */

#define ROW(name, field, low, high, initial, whole)                                                \
    {                                                                                              \
        name, low, high, initial, whole, offsetof(settings, field)                                 \
    }
#define REAL(name, field, high, initial) ROW(name, field, 0.0, high, initial, false)
#define FLAG(name, field) ROW(name, field, 0.0, 1.0, 0.0, true)

static const row rows[] = {
    ROW("threads", threads, 1.0, 1024.0, 1.0, true),
    ROW("seed", seed, 0.0, LARGEST_WHOLE, 1.0, true),
    ROW("epoch", epoch, 0.0, 4294967295.0, 0.0, true),
    REAL("rate", rate, 1000.0, 1.0),
    REAL("lr", lr, 1000.0, 0.001),
    REAL("momentum", momentum, 1.0, 0.9),
    FLAG("nesterov", nesterov),
    REAL("weight-decay", weight_decay, 1.0, 0.0),
    FLAG("decoupled", decoupled),
    REAL("beta1", beta1, BELOW_ONE, 0.9),
    REAL("beta2", beta2, BELOW_ONE, 0.999),
    ROW("epsilon", epsilon, 1e-12, 1.0, 1e-08, false),
    REAL("muon-lr", muon_lr, 1000.0, 0.24),
    REAL("muon-momentum", muon_momentum, 1.0, 0.6),
    FLAG("muon-dense", muon_dense),
    REAL("clip-norm", clip_norm, 1e6, 0.0),
    REAL("label-smoothing", label_smoothing, 1.0, 0.0),
};

enum { N_ROWS = sizeof rows / sizeof *rows };

static const row *find(const char *name)
{
    for (size_t k = 0; k < N_ROWS; k++)
        if (strcmp(rows[k].name, name) == 0)
            return &rows[k];
    return NULL;
}

static double *place_of(const settings *self, const row *at)
{
    void *field = (char *)self + at->offset;
    return field;
}

void settings_init(settings *self)
{
    for (size_t k = 0; k < N_ROWS; k++)
        *place_of(self, &rows[k]) = rows[k].initial;
}

const double *settings_find(const settings *self, const char *name)
{
    const row *at = find(name);
    return at ? place_of(self, at) : NULL;
}

bool settings_set(settings *self, const char *name, double value, error *err)
{
    const row *at = find(name);
    if (!at)
        return error_user(err, "%.60s: there is no such setting, see bramble.h", name);
    if (!(value >= at->low && value <= at->high) || (at->whole && value != floor(value)))
        return error_user(err, "%s %.12g: expected a %snumber from %.12g to %.12g", name, value,
                          at->whole ? "whole " : "", at->low, at->high);
    *place_of(self, at) = value;
    return true;
}
