#include "segment.h"

#include "data/batch.h"
#include "host/sensors.h"
#include "train/interrupt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct loading {
    const job *job;
    samples batch;
} loading;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const loading *from = arg;
    batch_load_block(&from->job->input, &from->job->shard, &from->batch, first, n, x, labels);
}

static void train_step(job *j, phases *times, segment_note *mine)
{
    const train_options *o = &j->options;
    loading from = {.job = j, .batch = sampler_next(&j->sampler, o->batch)};
    size_t n = from.batch.n;
    double lr = schedule_lr(&j->schedule, (double)j->step++);
    update_rule rule = {.lr = (float)lr,
                        .momentum = (float)o->momentum,
                        .weight_decay = (float)o->weight_decay,
                        .nesterov = o->nesterov};
    network_vectors at = {j->w, j->v, j->g};
    network_input input = {load, &from};
    network_result result = network_step(j->net, &at, &rule, &input, n);
    phases_move(times, PHASE_TRAIN, PHASE_INPUT, result.t_input_s);
    mine->images += (double)n;
    mine->loss_sum += result.loss_sum;
    mine->correct += (double)result.n_correct;
    mine->steps += 1.0;
    mine->lr = lr;
}

/* Steps of a round that lie before segment k of n. */
static uint64_t steps_before(uint64_t steps, uint64_t n, uint64_t k)
{
    return (uint64_t)((unsigned __int128)steps * k / n);
}

static void note_divergence(const job *j, segment_note *mine)
{
    size_t bad = 0;
    while (bad < j->model->n_weights && fabsf(j->w[bad]) < AVERAGE_LIMIT)
        bad++;
    mine->diverged = 1;
    snprintf(mine->layer, sizeof mine->layer, "%s",
             bad < j->model->n_weights ? model_layer_of(j->model, bad) : "");
}

/*
 * For tests: BRAMBLE_TEST_FAULT=nan:RANK:ROUND:SEGMENT makes a weight of that rank NaN at the end of that
 * segment; all count from 0.
 */
static void fault_provoke(const job *j, uint64_t segment, uint64_t end)
{
    int rank;
    unsigned long long round, part;
    const char *fault = getenv("BRAMBLE_TEST_FAULT");
    if (fault && sscanf(fault, "nan:%d:%llu:%llu", &rank, &round, &part) == 3 &&
        rank == transport_rank() && part == segment &&
        j->step == round * job_steps(j, transport_worker()) + end)
        j->w[j->model->n_weights - 1] = NAN;
}

void segment_train(job *self, phases *times, uint64_t segment, segment_note *mine,
                   segment_done *done, void *arg)
{
    uint64_t steps = job_steps(self, transport_worker()), n = job_segments(self);
    uint64_t end = steps_before(steps, n, segment + 1);
    phases_enter(times, PHASE_TRAIN);
    for (uint64_t k = steps_before(steps, n, segment); k < end; k++) {
        mine->signal = interrupt_signal();
        if (mine->signal || transport_stop_called())
            return;
        train_step(self, times, mine);
        sensors_watch();
        stall_tell(&self->stall, PHASE_TRAIN);
        done(arg, mine);
        if (!isfinite(mine->loss_sum))
            break;
    }
    fault_provoke(self, segment, end);
    if (!isfinite(mine->loss_sum) ||
        !vector_finite_below(self->w, self->model->n_weights, AVERAGE_LIMIT))
        note_divergence(self, mine);
}
