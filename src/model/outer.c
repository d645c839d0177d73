#include "model/outer.h"

#include "base/memory.h"

#include <assert.h>

/* One line for each. */
#define OUTER_RULES(RULE)                                                                          \
    RULE(outer_none)                                                                               \
    RULE(outer_momentum)                                                                           \
    RULE(outer_nesterov)                                                                           \
    RULE(outer_adam)                                                                               \
    RULE(outer_adam_paper)                                                                         \
    RULE(outer_yogi)                                                                               \
    RULE(outer_adagrad)

#define DECLARE(rule) extern const outer_rule rule;
#define LIST(rule) &rule,

OUTER_RULES(DECLARE)

const outer_rule *const outer_rules[] = {OUTER_RULES(LIST) NULL};

bool outer_init(outer *self, const outer_rule *rule, const outer_settings *settings, size_t n,
                error *err)
{
    *self = (outer){.rule = rule, .n = n};
    if (settings)
        self->settings = *settings;
    for (size_t k = 0; k < OUTER_STATES && rule->states[k].name; k++) {
        float *state = self->states[k] = memory_new(n, sizeof *state, err);
        float first = rule->states[k].initial ? rule->states[k].initial(&self->settings) : 0.0F;
        for (size_t i = 0; state && i < n; i++)
            state[i] = first;
    }
    return err->kind == ERROR_NONE;
}

void outer_release(outer *self)
{
    for (size_t k = 0; k < OUTER_STATES; k++)
        memory_free(self->states[k]);
    *self = (outer){0};
}

void outer_apply(outer *self, float *w, const float *before, uint64_t round)
{
    assert(before || !self->rule->apply);
    if (self->rule->apply)
        self->rule->apply(&self->settings, w, before, self->states, self->n, round);
}
