#include "server.h"

#include "train/interrupt.h"

#include <math.h>
#include <string.h>

enum { SLICES_PER_SEGMENT = 64 };
static const double SLICE_S = 2e-3;

/* ---- what is shown ------------------------------------------------------------------------------ */

static const double SHOW_S = 1.0;

/* Tests of rounds done .. n that hold the run up: a server among several ranks tests meanwhile, but the last. */
static double tests_to_come(const training *t)
{
    uint64_t n = t->job->course.rounds, every = t->job->course.eval_every, done = t->shown.rounds;
    uint64_t n_tests = done < n;
    if (transport_size() == 1)
        n_tests = n / every - done / every + (done < n && n % every != 0);
    double begun = t->eval_noted || isnan(t->shown.tested) ? 0.0 : 1.0 - t->shown.tested;
    return (double)n_tests + begun;
}

/* Forward is a third of a step; a guess until a test has shown what it takes. */
static double guess_test(const training *t)
{
    double images = t->shown.images + t->shown.round_images;
    return images > 0.0 ? t->shown.t_now_s / images * transport_workers() *
                              (double)t->job->server.test.n / 3.0
                        : 0.0;
}

/* Where the run is. */
static void take_stock(training *t)
{
    progress_state *s = &t->shown;
    const evaluation *e = &t->job->server.evaluation;
    bool waits = transport_size() == 1 || s->rounds == t->job->course.rounds;
    bool testing = !t->eval_noted && waits;
    s->round_images = testing || t->present.round < s->rounds ? 0.0 : present_images(&t->present);
    s->share = fmin(1.0, s->round_images / t->present.round_images);
    s->tested = testing ? (double)e->position / (double)e->set->n : NAN;
    s->t_now_s = testing ? s->t_s : clock_now() - t->t_zero_s - t->t_inline_s;
    s->t_tests_s = tests_to_come(t) * (t->t_test_s > 0.0 ? t->t_test_s : guess_test(t));
    record_progress row = {(double)t->present.round,
                           s->round_images,
                           t->present.round_images,
                           s->tested,
                           s->t_now_s,
                           s->t_tests_s};
    record_add_progress(t->job->server.record, &row, &t->error);
    t->t_shown_s = clock_now();
}

void server_show(training *t)
{
    take_stock(t);
    progress_show(&t->progress, &t->shown);
}

void server_show_present(training *t)
{
    if (clock_now() - t->t_shown_s < SHOW_S)
        return;
    take_stock(t);
    progress_within(&t->progress, &t->shown);
}

/* ---- while the server waits --------------------------------------------------------------------- */

/* Have the workers cut the round short. */
static void call_stop(training *t)
{
    if (transport_size() > 1 && !t->stop_called && t->shown.rounds < t->job->course.rounds)
        transport_call_stop();
    t->stop_called = true;
}

/* Called while the server waits: has anybody been asked to stop, does anybody hang? */
void server_listen(void *arg)
{
    training *t = arg;
    int rank;
    int64_t word;
    while (transport_receive_word(&rank, &word))
        if (!present_heard(&t->present, rank, word) && !stall_heard(&t->stall, rank, word) &&
            t->signal == 0)
            t->signal = (int)word;
    stall_look(&t->stall, t->job->server.machines, t->present.round, t->job->server.record,
               &t->error);
    flushing_look(&t->flushing, &t->error);
    server_show_present(t);
    if (t->signal == 0)
        t->signal = interrupt_signal();
    if (t->signal != 0)
        call_stop(t);
}

/* An evaluation has come to its end: write it down, and see whether the target is reached. */
static void note_evaluation(training *t)
{
    job *j = t->job;
    evaluation *e = &j->server.evaluation;
    record_test row = {evaluation_loss(e), evaluation_accuracy(e)};
    t->eval_noted = true;
    t->t_test_s = t->t_eval_s - t->t_test_begun_s;
    t->shown.accuracy = row.accuracy;
    t->shown.accuracy_round = (uint64_t)t->eval_round + 1;
    record_add_test(j->server.record, (size_t)t->eval_round, &row, &t->error);
    record_add_confusion(j->server.record, e->confusion, &t->error);
    flushing_want(&t->flushing);
    double target = j->options->target_accuracy;
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
    bool more = evaluation_slice(&t->job->server.evaluation, t_s);
    t->cpu_eval_s += clock_cpu() - cpu;
    t->t_eval_s += clock_now() - start;
    if (!more || !t->job->server.evaluation.running)
        note_evaluation(t);
    phases_enter(&t->phases, before);
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
    double n = (double)j->course.segments, share = j->options->tail_average;
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
    return (round + 1) % t->job->course.eval_every == 0 || round + 1 == t->job->course.rounds;
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
    t->t_test_begun_s = t->t_eval_s;
    evaluation_begin(&t->job->server.evaluation, model_of_round(t));
    record_add_weights(t->job->server.record, t->eval_round, t->job->server.evaluation.w,
                       &t->error);
}

void server_leave_model(training *t, error *err)
{
    if (t->kept_round > t->eval_round)
        record_add_weights(t->job->server.record, t->kept_round, t->kept, err);
}

/* A rank that also trains cannot evaluate meanwhile: it does so between the rounds, off the clock. */
void server_evaluate_inline(training *t)
{
    double start = clock_now();
    server_evaluate_rest(t);
    t->t_inline_s += clock_now() - start;
    server_show(t);
}
