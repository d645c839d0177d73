#include "worker.h"

#include "base/memory.h"
#include "data/batch.h"
#include "host/sensors.h"
#include "train/interrupt.h"
#include "transport/average.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------ */

/* Where the steps of former starts have led to. */
static bool init_sampler(worker *self, const train_options *o, error *err)
{
    uint64_t per_epoch = course_epoch(self->course, self->number);
    if (!sampler_init(&self->sampler, self->shard.n, o->seed, (uint32_t)self->number,
                      (enum sampler_order)o->order, err))
        return false;
    sampler_seek(&self->sampler, (uint32_t)(self->step / per_epoch),
                 (size_t)(self->step % per_epoch * o->batch));
    return true;
}

/* What becomes of its images. */
static bool init_input(worker *self, const train_options *o, const input_values *input,
                       size_t batch, error *err)
{
    return input_rule_init(&self->input, input, err) &&
           augment_parse(&self->augment, o->augment, err) &&
           augment_fit(&self->augment, input, err) &&
           augment_rule(&self->augment, &self->input, o->seed, batch, err);
}

bool worker_init(worker *self, const train_options *options, const course *on,
                 const input_values *input, const model *of, float *w, int n_threads, error *err)
{
    const train_options *o = options;
    int number = transport_worker();
    size_t n = (size_t)on->images[number], batch = o->batch < n ? o->batch : n;
    double steps = (double)course_steps(on, number);
    *self = (worker){
        .course = on,
        .model = of,
        .number = number,
        .at.w = w,
        .rule = {.momentum = (float)o->momentum,
                 .weight_decay = (float)o->weight_decay,
                 .nesterov = o->nesterov},
        .schedule = {.kind = (enum schedule_kind)o->schedule,
                     .lr = o->lr,
                     .warmup_steps = o->warmup * steps,
                     .total_steps = (double)o->rounds * steps},
        .step = on->rounds_before * course_steps(on, number),
    };
    self->net = network_new(of, batch, true, n_threads, err);
    self->at.v = memory_new(of->n_weights, sizeof *self->at.v, err);
    self->at.g = memory_new(of->n_weights, sizeof *self->at.g, err);
    return self->net && self->at.v && self->at.g && init_input(self, o, input, batch, err) &&
           dataset_init(&self->shard, input->from, n, err) && init_sampler(self, o, err);
}

void worker_release(worker *self)
{
    dataset_release(&self->shard);
    input_rule_release(&self->input);
    sampler_release(&self->sampler);
    network_free(self->net);
    memory_free(self->at.v);
    memory_free(self->at.g);
    *self = (worker){0};
}

/* ---- training ----------------------------------------------------------------------------------- */

typedef struct loading {
    const worker *of;
    samples batch;
} loading;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const loading *from = arg;
    batch_load_block(&from->of->input, &from->of->shard, &from->batch, first, n, x, labels);
}

static void train_step(worker *self, phases *times, segment_note *mine)
{
    loading from = {self, sampler_next(&self->sampler, self->course->batch)};
    size_t n = from.batch.n;
    self->rule.epoch = (double)self->step / (double)course_epoch(self->course, self->number);
    double lr = schedule_lr(&self->schedule, (double)self->step++);
    self->rule.lr = (float)lr;
    network_input input = {load, &from};
    network_result result = network_step(self->net, &self->at, &self->rule, &input, n);
    phases_move(times, PHASE_TRAIN, PHASE_INPUT, result.t_input_s);
    mine->images += (double)n;
    mine->loss_sum += result.loss_sum;
    mine->correct += (double)result.n_correct;
    mine->steps += 1.0;
    mine->lr = lr;
}

static void note_divergence(const worker *self, segment_note *mine)
{
    size_t bad = 0, n = self->model->n_weights;
    while (bad < n && fabsf(self->at.w[bad]) < AVERAGE_LIMIT)
        bad++;
    mine->diverged = 1;
    snprintf(mine->layer, sizeof mine->layer, "%s",
             bad < n ? model_layer_of(self->model, bad) : "");
}

/*
 * For tests: BRAMBLE_TEST_FAULT=nan:RANK:ROUND:SEGMENT makes a weight of that rank NaN at the end of that
 * segment; all count from 0.
 */
static void fault_provoke(const worker *self, uint64_t segment, uint64_t end)
{
    int rank;
    unsigned long long round, part;
    const char *fault = getenv("BRAMBLE_TEST_FAULT");
    if (fault && sscanf(fault, "nan:%d:%llu:%llu", &rank, &round, &part) == 3 &&
        rank == transport_rank() && part == segment &&
        self->step == round * course_steps(self->course, self->number) + end)
        self->at.w[self->model->n_weights - 1] = NAN;
}

void worker_drop_momentum(worker *self)
{
    memset(self->at.v, 0, self->model->n_weights * sizeof *self->at.v);
}

void worker_train(worker *self, phases *times, uint64_t segment, segment_note *mine,
                  worker_done *done, void *arg)
{
    uint64_t begin = course_steps_before(self->course, self->number, segment);
    uint64_t end = course_steps_before(self->course, self->number, segment + 1);
    phases_enter(times, PHASE_TRAIN);
    for (uint64_t k = begin; k < end; k++) {
        mine->signal = interrupt_signal();
        if (mine->signal || transport_stop_called())
            return;
        train_step(self, times, mine);
        sensors_watch();
        done(arg, mine);
        if (!isfinite(mine->loss_sum))
            break;
    }
    fault_provoke(self, segment, end);
    if (!isfinite(mine->loss_sum) ||
        !vector_finite_below(self->at.w, self->model->n_weights, AVERAGE_LIMIT))
        note_divergence(self, mine);
}
