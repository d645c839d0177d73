#include "worker.h"

#include "base/memory.h"
#include "base/random.h"
#include "host/sensors.h"
#include "kernels/update.h"
#include "train/interrupt.h"
#include "transport/average.h"
#include "transport/transport.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------ */

/* Where the steps so far have led to. */
static void find_place(worker *self)
{
    uint64_t per_epoch = course_epoch(self->course, self->number);
    sampler_seek(&self->sampler, (uint32_t)(self->step / per_epoch),
                 (size_t)(self->step % per_epoch * self->course->batch));
}

static bool init_sampler(worker *self, const train_options *o, error *err)
{
    if (!sampler_init(&self->sampler, self->shard.n, o->seed, (uint32_t)self->number,
                      (enum sampler_order)o->order, err))
        return false;
    find_place(self);
    return true;
}

/* What becomes of its images. */
static bool init_input(worker *self, const train_options *o, const input_values *input,
                       size_t batch, error *err)
{
    bool good = input_rule_init(&self->input, input, err) &&
                augment_parse(&self->augment, o->augment, err) &&
                augment_fit(&self->augment, input, err) &&
                augment_rule(&self->augment, &self->input, o->seed, batch, err);
    self->engine->network_mix_labels(self->net, self->input.others, self->input.shares);
    return good;
}

bool worker_init(worker *self, const train_options *options, const course *on,
                 const input_values *input, const model *of, const computing *with, error *err)
{
    const train_options *o = options;
    int number = transport_worker();
    size_t n = (size_t)on->images[number], batch = o->batch < n ? o->batch : n;
    *self = (worker){
        .course = on,
        .model = of,
        .number = number,
        .engine = engine_for_batch(with->engine, batch),
        .gradients = o->sync == SYNC_GRADIENTS,
        .step = on->rounds_before * course_steps(on, number),
    };
    self->net = engine_network_new(self->engine, of, batch, true, with->n_threads, err);
    if (self->net)
        self->engine->network_smooth_labels(self->net, (float)o->label_smoothing);
    return self->net && init_input(self, o, input, batch, err) &&
           dataset_init(&self->shard, input->from, n, err) && init_sampler(self, o, err);
}

void worker_release(worker *self)
{
    dataset_release(&self->shard);
    input_rule_release(&self->input);
    sampler_release(&self->sampler);
    if (self->net)
        self->engine->network_free(self->net);
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
    const worker *of = from->of;
    of->engine->batch_load_block(&of->input, &of->shard, &from->batch, first, n, x, labels);
}

/* What dropout depends on: who draws an image, and with which others, makes no difference. */
static void number_images(void *arg, size_t first, size_t n, uint32_t *numbers)
{
    const loading *from = arg;
    const samples *batch = &from->batch;
    for (size_t k = first; k < first + n; k++)
        numbers[k - first] =
            from->of->shard.numbers[batch->indices ? batch->indices[k] : batch->first + k];
}

/* A step of sgd. */
static void add_way(worker *self, segment_note *mine)
{
    const optimizer_settings *by = &self->by->optimizer.settings;
    self->push = by->momentum * self->push + 1.0;
    mine->way += mine->lr * (by->nesterov ? 1.0 + by->momentum * self->push : self->push);
}

static void train_step(worker *self, phases *times, segment_note *mine)
{
    loading from = {self, sampler_next(&self->sampler, self->course->batch)};
    size_t n = from.batch.n;
    network_input input = {load, &from, number_images, self->sampler.seed, from.batch.epoch};
    network_result result;
    mine->lr = descent_lr(self->by);
    if (self->gradients)
        result = self->engine->network_gradient(self->net, self->at.w, self->at.g, &input, n);
    else {
        descent_next(self->by);
        result = self->engine->network_step(self->net, &self->at, &self->by->optimizer, &input, n);
    }
    self->step++;
    add_way(self, mine);
    phases_move(times, PHASE_TRAIN, PHASE_INPUT, result.t_input_s);
    mine->images += (double)n;
    mine->loss_sum += result.loss_sum;
    mine->correct += (double)result.n_correct;
    mine->steps += 1.0;
}

/* The first number of x that cannot be averaged, or n. */
static size_t first_bad(const float *x, size_t n)
{
    size_t bad = 0;
    while (bad < n && fabsf(x[bad]) < AVERAGE_LIMIT)
        bad++;
    return bad;
}

static void note_divergence(const worker *self, segment_note *mine)
{
    size_t n = self->model->n_weights, bad = first_bad(self->at.w, n);
    if (bad == n && self->gradients)
        bad = first_bad(self->at.g, n);
    mine->diverged = 1;
    snprintf(mine->layer, sizeof mine->layer, "%s",
             bad < n ? model_layer_of(self->model, bad) : "");
}

/* Can what this worker has be averaged? */
static bool is_sound(const worker *self, segment_note *mine)
{
    const size_t n = self->model->n_weights, trained = self->model->n_trained;
    if (!isfinite(mine->loss_sum) || !vector_finite_below(self->at.w, n, AVERAGE_LIMIT))
        return false;
    if (!self->gradients || mine->steps == 0.0)
        return true;
    mine->largest = vector_largest(self->at.g, trained);
    return isfinite(mine->largest) &&
           vector_finite_below(self->at.g + trained, n - trained, AVERAGE_LIMIT);
}

/*
 * For tests: BRAMBLE_TEST_FAULT=nan:RANK:ROUND:SEGMENT makes a weight (or what is averaged, its gradient) of that
 * rank NaN at the end of that segment; all count from 0.  rubbish:RANK: what that rank has to be averaged is noise.
 */
static void fault_provoke(const worker *self, uint64_t segment, uint64_t end)
{
    int rank;
    unsigned long long round, part;
    const char *fault = getenv("BRAMBLE_TEST_FAULT");
    float *averaged = self->gradients ? self->at.g : self->at.w;
    if (fault && sscanf(fault, "nan:%d:%llu:%llu", &rank, &round, &part) == 3 &&
        rank == transport_rank() && part == segment &&
        self->step == round * course_steps(self->course, self->number) + end)
        averaged[self->model->n_weights - 1] = NAN;
    if (fault && sscanf(fault, "rubbish:%d", &rank) == 1 && rank == transport_rank())
        for (size_t k = 0; k < self->model->n_trained; k++)
            averaged[k] = random_uniform(0, random_stream(RANDOM_TEST, 0, (uint32_t)self->step), k,
                                         -100.0F, 100.0F);
}

void worker_train(worker *self, phases *times, uint64_t segment, segment_note *mine,
                  worker_done *done, void *arg)
{
    uint64_t begin = course_steps_before(self->course, self->number, segment);
    uint64_t end = course_steps_before(self->course, self->number, segment + 1);
    phases_enter(times, PHASE_TRAIN);
    self->push = segment > 0 ? self->push : 0.0;
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
    if (!is_sound(self, mine))
        note_divergence(self, mine);
}

void worker_skip(worker *self, uint64_t segment)
{
    const uint64_t n = course_steps_before(self->course, self->number, segment + 1) -
                       course_steps_before(self->course, self->number, segment);
    self->step += n;
    descent_skip(self->by, n);
    find_place(self);
}
