#include "layers/layer.h"

#include <string.h>

static const char *const names[] = {"trained", "lr", "weight-decay"};
enum { N_NAMES = sizeof names / sizeof *names, MAX_EPOCHS = 1 << 24 };
#define MAX_FACTOR 1e6

bool layer_training_knows(const char *name)
{
    for (int k = 0; k < N_NAMES; k++)
        if (strcmp(name, names[k]) == 0)
            return true;
    return false;
}

bool layer_training_read(layer *self, error *err)
{
    const layer_number trained = {"trained", "no", MAX_EPOCHS + 1, 1, MAX_EPOCHS};
    long epochs;
    double lr, decay;
    for (int k = 0; k < self->n_settings && self->n_trained == 0; k++)
        if (layer_training_knows(self->settings[k].name)) {
            self->line = self->settings[k].line;
            return error_user(err, "`%s`: a %s layer has no weights to train",
                              self->settings[k].name, self->kind->name);
        }
    if (!layer_setting_get_or(self, &trained, &epochs, err) ||
        !layer_setting_get_real(self, "lr", 1.0, 0.0, MAX_FACTOR, &lr, err) ||
        !layer_setting_get_real(self, "weight-decay", 1.0, 0.0, MAX_FACTOR, &decay, err))
        return false;
    for (int k = 0; k < self->n_tensors; k++) {
        tensor_training *t = &self->tensors[k].training;
        t->lr *= (float)lr;
        t->weight_decay *= (float)decay;
        t->epochs = epochs < t->epochs && epochs <= MAX_EPOCHS ? (int)epochs : t->epochs;
    }
    return true;
}
