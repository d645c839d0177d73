#include "testing.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

_Static_assert((int)MEASURE_GROUP <= (int)EVALUATION_GROUP,
               "room in the network and the input rule");

bool testing_init(testing *self, evaluation *by, record *to, const dataset *images, error *err)
{
    *self = (testing){.evaluation = by, .to = to, .kept_round = -1, .round = -1, .done = true};
    self->kept = memory_new(by->model->n_weights, sizeof *self->kept, err);
    return self->kept && measure_init(&self->measure, by->model, images, err);
}

void testing_release(testing *self)
{
    memory_free(self->kept);
    measure_release(&self->measure);
    *self = (testing){0};
}

void testing_begin(testing *self, int64_t round, const float *w)
{
    self->round = round;
    self->done = false;
    self->t_begun_s = self->t_spent_s;
    evaluation_begin(self->evaluation, w);
    measure_begin(&self->measure);
}

/* The model is in the file before it is tested: whatever comes between, it is not lost. */
void testing_take(testing *self, uint64_t round, const float *w, bool due, error *err)
{
    if (due) {
        testing_begin(self, (int64_t)round, w);
        record_add_weights(self->to, self->round, self->evaluation->w, err);
    } else {
        memcpy(self->kept, w, self->evaluation->model->n_weights * sizeof *w);
        self->kept_round = (int64_t)round;
    }
}

void testing_leave(const testing *self, error *err)
{
    if (self->kept_round > self->round)
        record_add_weights(self->to, self->kept_round, self->kept, err);
}

/* A piece of what comes first; the file gets what it leads to. */
static void measure_slice(testing *self, error *err)
{
    evaluation *e = self->evaluation;
    const measure_with with = {e->engine, e->net, e->input};
    measure_go_on(&self->measure, &with, e->w);
    if (!self->measure.running)
        record_add_weights(self->to, self->round, e->w, err);
}

bool testing_slice(testing *self, double t_s, record_test *row, error *err)
{
    evaluation *e = self->evaluation;
    double cpu = clock_cpu(), start = clock_now();
    bool measuring = self->measure.running;
    if (measuring)
        measure_slice(self, err);
    else
        (void)evaluation_slice(e, t_s);
    self->cpu_spent_s += clock_cpu() - cpu;
    self->t_spent_s += clock_now() - start;
    if (measuring || e->running)
        return false;
    *row = (record_test){.loss = evaluation_loss(e, EVALUATION_TEST),
                         .accuracy = evaluation_accuracy(e, EVALUATION_TEST),
                         .loss_validation = evaluation_loss(e, EVALUATION_VALIDATION),
                         .accuracy_validation = evaluation_accuracy(e, EVALUATION_VALIDATION)};
    self->done = true;
    self->t_s = self->t_spent_s - self->t_begun_s;
    record_add_test(self->to, (size_t)self->round, row, err);
    record_add_confusion(self->to, e->confusion, err);
    return true;
}
