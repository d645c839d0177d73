/*
 * schedule.h - the learning rate as a function of the step
 *
 * The rate rises over the warm-up to its highest, lr, and then goes on by kind:
 *   constant  stays
 *   linear    falls to final * lr at total_steps, in a straight line
 *   cosine    the same in half a cosine
 *   step      is multiplied by gamma at each milestone, the warm-up counting
 *   onecycle  rises and falls in half a cosine, so that step total_steps - 1 has final * lr
 *   triangle  rises and falls in a straight line
 * Sources: torch.optim.lr_scheduler's LinearLR, CosineAnnealingLR, MultiStepLR, OneCycleLR (Smith and Topin,
 * arXiv:1708.07120); Jordan, arXiv:2404.00498 (triangle).
 */
#ifndef BRAMBLE_MODEL_SCHEDULE_H
#define BRAMBLE_MODEL_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schedule_kind {
    SCHEDULE_CONSTANT = 0,
    SCHEDULE_LINEAR,
    SCHEDULE_COSINE,
    SCHEDULE_STEP,
    SCHEDULE_ONECYCLE,
    SCHEDULE_TRIANGLE
};

typedef struct schedule {
    enum schedule_kind kind;
    double lr;           /* the highest */
    double warmup_steps; /* 0: the kind's own share of total_steps */
    double total_steps;
    /* of lr, where the warm-up begins: step 0 has it; 0: the kind's own.  Where that is 0, too, step k of the warm-up has
     * (k + 1) / warmup_steps. */
    double start;
    double final; /* of lr, at the end */
    /* step: round numbers (owned by the caller), what they are multiplied by to be steps, and the factor */
    const uint64_t *milestones;
    size_t n_milestones;
    double round_steps, gamma;
} schedule;

/* schedule_name - of a kind; NULL past the last */
const char *schedule_name(size_t kind);

/* schedule_ends - does the rate depend on total_steps? */
bool schedule_ends(enum schedule_kind kind);

/* schedule_factor - of lr at step 0, 1, ... ; past total_steps that of the last.  schedule_lr - the rate itself */
double schedule_factor(const schedule *self, double step);
double schedule_lr(const schedule *self, double step);

#endif
