#include "app/training.h"

#include "app/account.h"
#include "app/machine.h"
#include "app/progress.h"
#include "app/segment.h"
#include "app/sensors.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the server answers; the notes of all ranks follow it. */
typedef struct decision {
    int32_t stop;  /* the target is reached: drop this round */
    int32_t error; /* the server has failed: transport_agree tells */
} decision;

typedef struct training {
    job *job;
    phases phases;
    progress progress;
    decision *decision;  /* followed by: */
    segment_note *notes; /* of all ranks */
    double *weights;     /* of all ranks in an average */
    record_rank *rows;   /* of all ranks in a round (server) */
    round_note *ends;    /* likewise */
    double t_wait_s;     /* mine in the exchange before */

    /* the server's books */
    double t_zero_s;            /* when all were ready */
    double t_inline_s;          /* evaluation by a rank that also trains: not in T_time */
    double t_eval_s, cpu_eval_s; /* of the server, up to now */
    double cpu_zero_s;
    account account;
    record_round round;       /* the one that is going on */
    double *tail;             /* sum of its last averages */
    float *tail_mean;
    size_t n_tail;
    int64_t eval_round;       /* whose model is or was evaluated last; -1: none */
    bool eval_noted;          /* its result has been recorded */
    bool stop;
    double t_target_s;
    progress_state shown;
    error error; /* the server's own: said at the next decision */
} training;

/* ---- the server's half -------------------------------------------------------------------------- */

static void show(training *t)
{
    progress_show(&t->progress, &t->shown);
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
    record_add_weights(j->record, t->eval_round, e->w, &t->error);
    record_add_confusion(j->record, e->confusion, &t->error);
    double target = j->options.target_accuracy;
    if (target > 0.0 && row.accuracy >= target && !t->stop) {
        t->stop = true;
        t->t_target_s = clock_now() - t->t_zero_s - t->t_inline_s;
        if (transport_size() > 1 && t->shown.rounds < j->options.rounds)
            transport_call_stop();
    }
}

/* Some evaluation, while nothing else is to be done; returns whether there was any. */
static bool evaluate_some(void *arg)
{
    training *t = arg;
    if (t->eval_noted)
        return false;
    double cpu = clock_cpu(), start = clock_now();
    enum phase before = phases_enter(&t->phases, PHASE_EVALUATE);
    bool more = evaluation_slice(&t->job->evaluation);
    if (!more || !t->job->evaluation.running)
        note_evaluation(t);
    phases_enter(&t->phases, before);
    t->cpu_eval_s += clock_cpu() - cpu;
    t->t_eval_s += clock_now() - start;
    return true;
}

static void evaluate_rest(training *t)
{
    while (evaluate_some(t))
        ;
}

/*
 * With --tail-average a round's model is the mean of its last averages, while training goes on from the
 * very last: the mean has less of the noise of the steps (Polyak and Juditsky, SIAM J. Control Optim. 30,
 * 1992; Izmailov et al., arXiv:1803.05407).
 */
static void add_to_tail(training *t, uint64_t segment)
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

static void begin_evaluation(training *t, uint64_t round)
{
    t->eval_round = (int64_t)round;
    t->eval_noted = false;
    evaluation_begin(&t->job->evaluation, model_of_round(t));
}

static bool evaluation_due(const training *t, uint64_t round)
{
    return (round + 1) % job_eval_every(t->job) == 0 || round + 1 == t->job->options.rounds;
}

static void finish_round(training *t, uint64_t round)
{
    job *j = t->job;
    record_round *row = &t->round;
    row->t_end_s = clock_now() - t->t_zero_s - t->t_inline_s;
    account_round(&t->account, t->ends, t->rows, row);
    row->passes = t->account.images / (double)j->n_train;
    record_add_round(j->record, (size_t)round, row, t->rows, &t->error);
    t->shown.rounds = round + 1;
    t->shown.t_s = row->t_end_s;
    t->shown.images = t->account.images;
    t->shown.loss = row->loss;
    if (transport_size() > 1) /* a single rank shows the round once it is evaluated */
        show(t);
}

/* ---- both halves -------------------------------------------------------------------------------- */

static bool report_divergence(const training *t, uint64_t round, error *err)
{
    for (int k = 0; k < transport_size(); k++)
        if (t->notes[k].diverged)
            return error_user(err, "round %llu, rank %d: the weights%s%s are no longer finite or far too "
                              "large, training has diverged: choose a smaller --lr",
                              (unsigned long long)round + 1, k, t->notes[k].layer[0] ? " of layer " : "",
                              t->notes[k].layer);
    return true;
}

/* Everyone's notes to the server, its decision and the notes back to everyone. */
static bool exchange(training *t, const segment_note *mine, bool last, error *err)
{
    bool server = transport_is_server();
    phases_enter(&t->phases, PHASE_WAIT);
    double since_s = clock_now();
    transport_collect(mine, sizeof *mine, t->notes, server ? evaluate_some : NULL, t);
    if (server) {
        phases_enter(&t->phases, PHASE_SERVE);
        if (last)
            evaluate_rest(t); /* so that it does not depend on who was faster */
        t->decision->stop = t->stop;
        t->decision->error = t->error.kind != ERROR_NONE;
    }
    transport_announce(t->decision, sizeof *t->decision + (size_t)transport_size() * sizeof *mine);
    t->t_wait_s = server ? 0.0 : clock_now() - since_s;
    if (!t->decision->error)
        return true;
    if (server)
        *err = t->error;
    return transport_agree(err);
}

static bool run_segment(training *t, uint64_t round, uint64_t segment, record_rank *row, error *err)
{
    job *j = t->job;
    segment_note mine = {.t_wait_s = segment > 0 ? t->t_wait_s : 0.0};
    if (transport_is_worker())
        segment_train(j, &t->phases, segment, &mine);
    if (!exchange(t, &mine, segment + 1 == job_segments(j), err))
        return false;
    if (t->decision->stop)
        return true;
    if (!report_divergence(t, round, err))
        return false;
    phases_enter(&t->phases, PHASE_PACK);
    for (int k = 0; k < transport_size(); k++)
        t->weights[k] = t->notes[k].images;
    double t_wire_s =
        transport_average(j->rule, j->w, j->model->n_weights, t->weights, j->scratch);
    phases_enter(&t->phases, transport_is_server() ? PHASE_SERVE : PHASE_OTHER);
    phases_move(&t->phases, PHASE_PACK, PHASE_WIRE, t_wire_s);
    row->images += mine.images;
    row->loss += mine.loss_sum;
    row->accuracy += mine.correct;
    row->steps += mine.steps;
    row->bytes_sent +=
        (double)j->rule->bytes(j->model->n_weights, transport_rank(), transport_size());
    if (transport_is_server()) {
        account_segment(&t->account, t->notes, &t->round);
        add_to_tail(t, segment);
        phases_enter(&t->phases, PHASE_OTHER);
    }
    return true;
}

/* A round of either role, or of both in one rank. */
static bool run_round(training *t, uint64_t round, error *err)
{
    job *j = t->job;
    round_note end = {0};
    record_rank *row = &end.row;
    memset(&t->round, 0, sizeof t->round);
    memset(t->tail, 0, j->model->n_weights * sizeof *t->tail);
    t->n_tail = 0;
    if (transport_is_worker() && !j->options.keep_momentum)
        memset(j->v, 0, j->model->n_weights * sizeof *j->v);
    for (uint64_t segment = 0; segment < job_segments(j); segment++) {
        if (!run_segment(t, round, segment, row, err))
            return false;
        if (t->decision->stop)
            return true;
    }
    double images = row->images > 0.0 ? row->images : NAN;
    row->loss /= images;
    row->accuracy /= images;
    row->peak_rss_bytes = machine_peak_rss();
    sensors_take(row);
    end.t_wait_s = t->t_wait_s;
    phases_take(&t->phases, row->t_phase_s);
    transport_collect(&end, sizeof end, t->ends, NULL, NULL);
    if (!transport_is_server())
        return true;
    phases_enter(&t->phases, PHASE_OUTPUT);
    finish_round(t, round);
    if (evaluation_due(t, round))
        begin_evaluation(t, round);
    phases_enter(&t->phases, PHASE_OTHER);
    return true;
}

/* A rank that also trains cannot evaluate meanwhile: it does so between the rounds, off the clock. */
static void evaluate_inline(training *t)
{
    double start = clock_now();
    evaluate_rest(t);
    t->t_inline_s += clock_now() - start;
    show(t);
}

static void summarize(training *t, uint64_t rounds, record_summary *s)
{
    const job *j = t->job;
    double wall = clock_now() - t->t_zero_s - t->t_eval_s;
    double cpu = clock_cpu() - t->cpu_zero_s - t->cpu_eval_s;
    s->t_time_s = t->shown.t_s;
    account_summarize(&t->account, s);
    if (j->options.label.cores > 0)
        s->cores = (double)j->options.label.cores;
    s->accuracy = evaluation_accuracy(&j->evaluation);
    s->loss = evaluation_loss(&j->evaluation);
    s->t_start_s = t->t_zero_s - j->t_begin_s;
    s->t_start_mpi_s = j->t_start_mpi_s;
    s->t_start_data_s = j->t_start_data_s;
    s->t_target_s = t->t_target_s;
    s->server_cpu_fraction = transport_size() > 1 ? cpu / wall : NAN;
    s->rounds = (double)rounds;
    s->complete = 1.0;
}

static bool run_rounds(training *t, uint64_t *rounds, error *err)
{
    uint64_t n = t->job->options.rounds, round = 0;
    for (; round < n && !t->stop; round++) {
        if (!run_round(t, round, err))
            return false;
        if (t->decision->stop)
            break; /* this round is dropped */
        if (transport_size() == 1)
            evaluate_inline(t);
    }
    *rounds = round;
    return true;
}

static bool allocate(training *t, error *err)
{
    size_t size = (size_t)transport_size();
    t->decision = memory_new(1, sizeof *t->decision + size * sizeof *t->notes, err);
    t->notes = t->decision ? (segment_note *)(t->decision + 1) : NULL;
    t->weights = memory_new(size, sizeof *t->weights, err);
    t->rows = memory_new(size, sizeof *t->rows, err);
    t->ends = memory_new(size, sizeof *t->ends, err);
    t->tail = memory_new(t->job->model->n_weights, sizeof *t->tail, err);
    t->tail_mean = memory_new(t->job->model->n_weights, sizeof *t->tail_mean, err);
    return transport_agree(err);
}

bool training_run(job *self, record_summary *summary, error *err)
{
    training t = {.job = self, .eval_round = -1, .eval_noted = true, .t_target_s = NAN};
    uint64_t rounds = 0;
    bool good = allocate(&t, err);
    if (good) {
        progress_start(&t.progress, self->options.quiet || !transport_is_server(),
                       self->options.rounds);
        t.shown.accuracy = NAN;
        transport_meet(NULL, 0, NULL);
        t.account.machines = self->machines;
        t.t_zero_s = clock_now();
        t.cpu_zero_s = clock_cpu();
        phases_start(&t.phases, PHASE_OTHER);
        good = run_rounds(&t, &rounds, err);
    }
    if (good && transport_is_server()) {
        evaluate_rest(&t);
        summarize(&t, rounds, summary);
        record_add_summary(self->record, summary, &t.error);
        *err = t.error;
    }
    progress_stop(&t.progress);
    if (transport_size() > 1) { /* take back a stop that came too late for somebody */
        transport_meet(NULL, 0, NULL);
        transport_clear_stop();
    }
    good = good && transport_agree(err);
    memory_free(t.decision);
    memory_free(t.weights);
    memory_free(t.rows);
    memory_free(t.ends);
    memory_free(t.tail);
    memory_free(t.tail_mean);
    return good;
}
