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

/* Images that the largest of its batches has. */
static size_t largest_batch(const course *on)
{
    uint64_t most = 0;
    for (int k = 0; k < on->n_clients; k++)
        if (on->worker[k] == transport_worker() && on->images[k] > most)
            most = on->images[k];
    return (size_t)(most < on->batch ? most : on->batch);
}

static dataset part_of(const dataset *all, size_t first, uint64_t n)
{
    return (dataset){.shape = all->shape,
                     .n = (size_t)n,
                     .images = all->images + first * image_bytes(all->shape),
                     .labels = all->labels + first,
                     .numbers = all->numbers + first};
}

/* A client, and where it finds its images: behind those of the client before. */
static bool init_client(worker *self, client *who, const train_options *o, error *err)
{
    const course *on = self->course;
    const size_t n = (size_t)on->images[who->number];
    size_t first = 0, first_test = 0;
    for (const client *before = self->clients; before < who; before++) {
        first += before->shard.n;
        first_test += before->tests.n;
    }
    who->shard = part_of(&self->images, first, on->shares ? on->n_train : n);
    who->tests = part_of(&self->tests, first_test, on->tests[who->number]);
    who->step = on->rounds_before * course_steps(on, who->number);
    return sampler_init(&who->sampler, who->shard.n, o->seed,
                        on->shares ? 0 : (uint32_t)who->number, (enum sampler_order)o->order, err);
}

static bool init_clients(worker *self, const train_options *o, descent *by, error *err)
{
    const course *on = self->course;
    self->clients =
        memory_new((size_t)on->load[transport_worker()].n_clients, sizeof *self->clients, err);
    for (int k = 0; self->clients && k < on->n_clients; k++) {
        if (on->worker[k] != transport_worker())
            continue;
        client *who = &self->clients[self->n_clients];
        who->number = k;
        who->by = by + (self->gradients ? 0 : self->n_clients);
        self->n_clients++;
        if (!init_client(self, who, o, err))
            return false;
    }
    return self->clients != NULL;
}

bool worker_init(worker *self, const train_options *options, const worker_needs *needs, error *err)
{
    const train_options *o = options;
    const course *on = needs->on;
    const course_load *mine = &on->load[transport_worker()];
    const size_t batch = largest_batch(on), held = (size_t)course_held(on, transport_worker());
    const size_t n = held + (size_t)mine->tests;
    *self = (worker){
        .course = on,
        .model = needs->of,
        .engine = engine_for_batch(needs->with.engine, batch),
        .gradients = o->sync == SYNC_GRADIENTS,
        .forgets = o->sync == SYNC_WEIGHTS && !o->keep_momentum,
    };
    self->net =
        engine_network_new(self->engine, needs->of, batch, true, needs->with.n_threads, err);
    if (self->net)
        self->engine->network_smooth_labels(self->net, (float)o->label_smoothing);
    return self->net && init_input(self, o, needs->input, batch, err) &&
           dataset_init(&self->images, needs->input->from, held, err) &&
           dataset_init(&self->tests, needs->input->from, (size_t)mine->tests, err) &&
           (self->parcel = memory_new(n < SHARDS_PIECE ? n : SHARDS_PIECE,
                                      image_bytes(self->images.shape), err)) &&
           init_clients(self, o, needs->by, err);
}

void worker_release(worker *self)
{
    for (int k = 0; k < self->n_clients; k++)
        sampler_release(&self->clients[k].sampler);
    memory_free(self->clients);
    memory_free(self->parcel);
    dataset_release(&self->images);
    dataset_release(&self->tests);
    input_rule_release(&self->input);
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
    of->engine->batch_load_block(&of->input, &of->now->shard, &from->batch, first, n, x, labels);
}

/* What dropout depends on: who draws an image, and with which others, makes no difference. */
static void number_images(void *arg, size_t first, size_t n, uint32_t *numbers)
{
    const loading *from = arg;
    const samples *batch = &from->batch;
    for (size_t k = first; k < first + n; k++)
        numbers[k - first] =
            from->of->now->shard.numbers[batch->indices ? batch->indices[k] : batch->first + k];
}

/* A step of sgd. */
static void add_way(const worker *self, segment_note *mine)
{
    client *now = self->now;
    const optimizer_settings *by = &now->by->optimizer.settings;
    now->push = by->momentum * now->push + 1.0;
    mine->way += mine->lr * (by->nesterov ? 1.0 + by->momentum * now->push : now->push);
}

/* Its next batch; of a batch that is shared out its part. */
static samples next_batch(worker *self)
{
    client *now = self->now;
    const uint64_t per_epoch = course_epoch(self->course, now->number);
    const uint32_t epoch = (uint32_t)(now->step / per_epoch);
    const course_batch b = course_batch_at(self->course, now->number, now->step % per_epoch);
    samples batch = sampler_take(&now->sampler, epoch, (size_t)b.begin, (size_t)b.n_all);
    const size_t before = (size_t)(b.first - b.begin);
    batch.next = batch.indices + (before + b.n) % batch.n;
    batch.indices += before;
    batch.n = (size_t)b.n;
    return batch;
}

static void train_step(worker *self, phases *times, segment_note *mine)
{
    client *now = self->now;
    loading from = {self, next_batch(self)};
    size_t n = from.batch.n;
    network_input input = {load, &from, number_images, now->sampler.seed, from.batch.epoch};
    network_result result;
    mine->lr = descent_lr(now->by);
    if (n ==
        0) /* the others have the last images of the epoch: what this one leaves does not count */
        result = (network_result){0};
    else if (self->gradients)
        result = self->engine->network_gradient(self->net, self->at.w, self->at.g, &input, n);
    else {
        descent_next(now->by);
        result = self->engine->network_step(self->net, &self->at, &now->by->optimizer, &input, n);
    }
    now->step++;
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
 * Of many clients RANK is the one that a client would be if each were a worker.
 */
static void fault_provoke(const worker *self, uint64_t segment, uint64_t end)
{
    int rank;
    unsigned long long round, part;
    const char *fault = getenv("BRAMBLE_TEST_FAULT");
    float *averaged = self->gradients ? self->at.g : self->at.w;
    const client *now = self->now;
    const int mine = self->course->n_clients > 1 ? now->number + 1 : transport_rank();
    if (fault && sscanf(fault, "nan:%d:%llu:%llu", &rank, &round, &part) == 3 && rank == mine &&
        part == segment && now->step == round * course_steps(self->course, now->number) + end)
        averaged[self->model->n_weights - 1] = NAN;
    if (fault && sscanf(fault, "rubbish:%d", &rank) == 1 && rank == mine)
        for (size_t k = 0; k < self->model->n_trained; k++)
            averaged[k] = random_uniform(0, random_stream(RANDOM_TEST, 0, (uint32_t)now->step), k,
                                         -100.0F, 100.0F);
}

void worker_turn(worker *self, client *next, network_vectors at)
{
    self->now = next;
    self->at = at;
}

/* What is another client's of it is left behind. */
static void begin_turn(const worker *self, uint64_t segment)
{
    client *now = self->now;
    if (segment > 0)
        return;
    now->push = 0.0;
    if (self->forgets)
        optimizer_forget(&now->by->optimizer);
}

void worker_train(worker *self, phases *times, uint64_t segment, segment_note *mine,
                  worker_done *done, void *arg)
{
    const int number = self->now->number;
    const uint64_t begin = course_steps_before(self->course, number, segment);
    const uint64_t end = course_steps_before(self->course, number, segment + 1);
    phases_enter(times, PHASE_TRAIN);
    begin_turn(self, segment);
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

void worker_skip(const worker *self, client *who, uint64_t segment)
{
    const uint64_t n = course_steps_before(self->course, who->number, segment + 1) -
                       course_steps_before(self->course, who->number, segment);
    who->step += n;
    descent_skip(who->by, n);
}
