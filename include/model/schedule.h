/*
 * schedule.h - the learning rate as a function of the step
 */
#ifndef BRAMBLE_MODEL_SCHEDULE_H
#define BRAMBLE_MODEL_SCHEDULE_H

enum schedule_kind { SCHEDULE_CONSTANT = 0, SCHEDULE_LINEAR, SCHEDULE_COSINE };

typedef struct schedule {
    enum schedule_kind kind;
    double lr;           /* the highest */
    double warmup_steps; /* rises linearly over them, from lr / warmup_steps */
    double total_steps;  /* linear and cosine fall from lr to 0 over the rest */
} schedule;

/* schedule_lr - of step 0, 1, ... ; past total_steps that of the last */
double schedule_lr(const schedule *self, double step);

#endif
