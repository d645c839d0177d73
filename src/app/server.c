#include "training_state.h"

#include "app/interrupt.h"

#include <math.h>
#include <string.h>

enum { SLICES_PER_SEGMENT = 64 };
static const double SLICE_S = 2e-3;

void server_show(training *t)
{
    progress_show(&t->progress, &t->shown);
}

/* Have the workers cut the round short. */
static void call_stop(training *t)
{
    if (transport_size() > 1 && !t->stop_called && t->shown.rounds < t->job->options.rounds)
        transport_call_stop();
    t->stop_called = true;
}

/* Called while the server waits: has anybody been asked to stop, does anybody hang? */
void server_listen(void *arg)
{
    training *t = arg;
    int rank;
    int64_t word;
    while (transport_heard(&rank, &word))
        if (!stall_heard(&t->job->stall, rank, word) && t->signal == 0)
            t->signal = (int)word;
    stall_look(&t->job->stall, t->job->machines, t->present, t->job->record, &t->error);
    flushing_look(&t->flushing, &t->error);
    if (t->signal == 0)
        t->signal = interrupt_signal();
    if (t->signal != 0)
        call_stop(t);
}

/* An evaluation has come to its end: write it down, and see whether the target is reached. */
static void note_evaluation(training *t)
{
    job *j = t->job;
    evaluation *e = &j->evaluation;
    record_test row = {evaluation_loss(e), evaluation_accuracy(e)};
    t->eval_noted = true;
    t->shown.accuracy = row.accuracy;
    t->shown.accuracy_round = (uint64_t)t->eval_round + 1;
    record_add_test(j->record, (size_t)t->eval_round, &row, &t->error);
    record_add_confusion(j->record, e->confusion, &t->error);
    flushing_want(&t->flushing);
    double target = j->options.target_accuracy;
    if (target > 0.0 && row.accuracy >= target && !t->stop) {
        t->stop = true;
        t->t_target_s = clock_now() - t->t_zero_s - t->t_inline_s;
        call_stop(t);
    }
}

/* Some t_s seconds of evaluation; returns whether there was anything to do. */
static bool evaluate(training *t, double t_s)
{
    server_listen(t);
    if (t->eval_noted || t->signal != 0)
        return false;
    double cpu = clock_cpu(), start = clock_now();
    enum phase before = phases_enter(&t->phases, PHASE_EVALUATE);
    bool more = evaluation_slice(&t->job->evaluation, t_s);
    if (!more || !t->job->evaluation.running)
        note_evaluation(t);
    phases_enter(&t->phases, before);
    t->cpu_eval_s += clock_cpu() - cpu;
    t->t_eval_s += clock_now() - start;
    return true;
}

/* Meanwhile the notes may come: so a slice is short, against a segment too. */
bool server_evaluate_some(void *arg)
{
    training *t = arg;
    return evaluate(t, fmin(SLICE_S, t->t_segment_s / SLICES_PER_SEGMENT));
}

void server_evaluate_rest(training *t)
{
    while (evaluate(t, INFINITY))
        ;
}

/*
 * With --tail-average a round's model is the mean of its last averages, while training goes on from the
 * very last: the mean has less of the noise of the steps (Polyak and Juditsky, SIAM J. Control Optim. 30,
 * 1992; Izmailov et al., arXiv:1803.05407).
 */
void server_add_to_tail(training *t, uint64_t segment)
{
    const job *j = t->job;
    double n = (double)job_segments(j), share = j->options.tail_average;
    if (share <= 0.0 || (double)(segment + 1) <= (1.0 - share) * n)
        return;
    for (size_t k = 0; k < j->model->n_weights; k++)
        t->tail[k] += (double)j->w[k];
    t->n_tail++;
}

static const float *model_of_round(const training *t)
{
    if (t->n_tail <= 1)
        return t->job->w;
    for (size_t k = 0; k < t->job->model->n_weights; k++)
        t->tail_mean[k] = (float)(t->tail[k] / (double)t->n_tail);
    return t->tail_mean;
}

static bool evaluation_due(const training *t, uint64_t round)
{
    return (round + 1) % job_eval_every(t->job) == 0 || round + 1 == t->job->options.rounds;
}

/* The model is in the file before it is tested: whatever comes between, it is not lost. */
void server_take_model(training *t, uint64_t round)
{
    size_t n_bytes = t->job->model->n_weights * sizeof *t->kept;
    if (!evaluation_due(t, round)) {
        memcpy(t->kept, model_of_round(t), n_bytes);
        t->kept_round = (int64_t)round;
        return;
    }
    t->eval_round = (int64_t)round;
    t->eval_noted = false;
    evaluation_begin(&t->job->evaluation, model_of_round(t));
    record_add_weights(t->job->record, t->eval_round, t->job->evaluation.w, &t->error);
}

void server_leave_model(training *t, error *err)
{
    if (t->kept_round > t->eval_round)
        record_add_weights(t->job->record, t->kept_round, t->kept, err);
}

/* What former starts have done. */
void training_go_on(training *t)
{
    const checkpoint_file *from = t->job->from;
    if (t->job->rounds_before == 0)
        return;
    if (from) {
        const record_file *past = from->past;
        const record_round *last = &past->rounds[past->n_rounds - 1];
        account_past(&t->account, past);
        t->t_zero_s -= last->t_end_s;
        t->shown =
            (progress_state){past->n_rounds, last->t_end_s, t->account.images, last->loss, NAN, 0};
        if (past->model_round >= 0) {
            t->eval_round = past->model_round;
            t->eval_noted = false;
            evaluation_begin(&t->job->evaluation, t->job->evaluation.w);
        }
    }
    saving_keep(&t->saving, t->job, t->job->rounds_before, t->eval_round);
}

/* A rank that also trains cannot evaluate meanwhile: it does so between the rounds, off the clock. */
void server_evaluate_inline(training *t)
{
    double start = clock_now();
    server_evaluate_rest(t);
    t->t_inline_s += clock_now() - start;
    server_show(t);
}
