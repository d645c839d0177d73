#include "model/outer.h"

#include "base/memory.h"

#include <assert.h>

/* One line for each. */
#define OUTER_RULES(RULE) RULE(outer_none)

#define DECLARE(rule) extern const outer_rule rule;
#define LIST(rule) &rule,

OUTER_RULES(DECLARE)

const outer_rule *const outer_rules[] = {OUTER_RULES(LIST) NULL};

bool outer_init(outer *self, const outer_rule *rule, size_t n, error *err)
{
    *self = (outer){.rule = rule, .n = n};
    for (size_t k = 0; k < OUTER_STATES && rule->states[k].name; k++) {
        float *state = self->states[k] = memory_new(n, sizeof *state, err);
        for (size_t i = 0; state && i < n; i++)
            state[i] = rule->states[k].initial;
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
        self->rule->apply(w, before, self->states, self->n, round);
}
