#include "testing.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

bool testing_init(testing *self, evaluation *by, record *to, error *err)
{
    *self = (testing){.evaluation = by, .to = to, .kept_round = -1, .round = -1, .done = true};
    self->kept = memory_new(by->model->n_weights, sizeof *self->kept, err);
    return self->kept != NULL;
}

void testing_release(testing *self)
{
    memory_free(self->kept);
    *self = (testing){0};
}

void testing_begin(testing *self, int64_t round, const float *w)
{
    self->round = round;
    self->done = false;
    self->t_begun_s = self->t_spent_s;
    evaluation_begin(self->evaluation, w);
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

bool testing_slice(testing *self, double t_s, record_test *row, error *err)
{
    evaluation *e = self->evaluation;
    double cpu = clock_cpu(), start = clock_now();
    (void)evaluation_slice(e, t_s);
    self->cpu_spent_s += clock_cpu() - cpu;
    self->t_spent_s += clock_now() - start;
    if (e->running)
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
