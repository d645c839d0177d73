#include "app/training.h"

#include "app/machine.h"
#include "app/progress.h"
#include "app/segment.h"
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

    /* the server's books */
    double t_zero_s;            /* when all were ready */
    double t_inline_s;          /* evaluation by a rank that also trains: not in T_time */
    double t_eval_s, cpu_eval_s; /* of the server, up to now */
    double cpu_zero_s;
    double images, *t_work_s; /* so far; per rank: training */
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

/* Add the notes of a segment to the round's row. */
static void add_notes(training *t)
{
    for (int k = 0; k < transport_size(); k++) {
        const segment_note *n = &t->notes[k];
        t->round.images += n->images;
        t->round.loss += n->loss_sum;
        t->round.accuracy += n->correct;
        if (n->lr > 0.0)
            t->round.lr = n->lr;
    }
}

static void finish_round(training *t, uint64_t round)
{
    job *j = t->job;
    record_round *row = &t->round;
    t->images += row->images;
    row->t_end_s = clock_now() - t->t_zero_s - t->t_inline_s;
    row->passes = t->images / (double)j->n_train;
    row->loss /= row->images;
    row->accuracy /= row->images;
    for (int k = 0; k < transport_size(); k++)
        t->t_work_s[k] += t->rows[k].t_phase_s[PHASE_TRAIN] + t->rows[k].t_phase_s[PHASE_INPUT];
    record_add_round(j->record, (size_t)round, row, t->rows, &t->error);
    t->shown.rounds = round + 1;
    t->shown.t_s = row->t_end_s;
    t->shown.images = t->images;
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
    transport_collect(mine, sizeof *mine, t->notes, server ? evaluate_some : NULL, t);
    if (server) {
        if (last)
            evaluate_rest(t); /* so that it does not depend on who was faster */
        t->decision->stop = t->stop;
        t->decision->error = t->error.kind != ERROR_NONE;
    }
    transport_announce(t->decision, sizeof *t->decision + (size_t)transport_size() * sizeof *mine);
    if (!t->decision->error)
        return true;
    if (server)
        *err = t->error;
    return transport_agree(err);
}

static bool run_segment(training *t, uint64_t round, uint64_t segment, record_rank *row, error *err)
{
    job *j = t->job;
    segment_note mine = {0};
    if (transport_is_worker())
        segment_train(j, &t->phases, segment, &mine);
    phases_enter(&t->phases, PHASE_WAIT);
    if (!exchange(t, &mine, segment + 1 == job_segments(j), err))
        return false;
    if (t->decision->stop)
        return true;
    if (!report_divergence(t, round, err))
        return false;
    phases_enter(&t->phases, PHASE_AVERAGE);
    for (int k = 0; k < transport_size(); k++)
        t->weights[k] = t->notes[k].images;
    transport_average(j->rule, j->w, j->model->n_weights, t->weights, j->scratch);
    phases_enter(&t->phases, PHASE_OTHER);
    row->images += mine.images;
    row->loss += mine.loss_sum;
    row->accuracy += mine.correct;
    row->steps += mine.steps;
    row->bytes_sent +=
        (double)j->rule->bytes(j->model->n_weights, transport_rank(), transport_size());
    if (transport_is_server()) {
        add_notes(t);
        add_to_tail(t, segment);
    }
    return true;
}

/* A round of either role, or of both in one rank. */
static bool run_round(training *t, uint64_t round, error *err)
{
    job *j = t->job;
    record_rank row = {0};
    memset(&t->round, 0, sizeof t->round);
    memset(t->tail, 0, j->model->n_weights * sizeof *t->tail);
    t->n_tail = 0;
    if (transport_is_worker() && !j->options.keep_momentum)
        memset(j->v, 0, j->model->n_weights * sizeof *j->v);
    for (uint64_t segment = 0; segment < job_segments(j); segment++) {
        if (!run_segment(t, round, segment, &row, err))
            return false;
        if (t->decision->stop)
            return true;
    }
    double images = row.images > 0.0 ? row.images : NAN;
    row.loss /= images;
    row.accuracy /= images;
    row.peak_rss_bytes = machine_peak_rss();
    machine_sense(&row.clock_mhz, &row.temperature_c, &row.throttled);
    phases_take(&t->phases, row.t_phase_s);
    transport_collect(&row, sizeof row, t->rows, NULL, NULL);
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
    double workers = 0.0, work = 0.0, cores = 0.0;
    for (int k = 0; k < transport_size(); k++) {
        if (!j->machines[k].is_worker)
            continue;
        workers += 1.0;
        work += t->t_work_s[k];
        cores += j->machines[k].threads;
    }
    double wall = clock_now() - t->t_zero_s - t->t_eval_s;
    double cpu = clock_cpu() - t->cpu_zero_s - t->cpu_eval_s;
    s->t_time_s = t->shown.t_s;
    s->w_time_s = work / workers;
    s->o_time_s = s->t_time_s - s->w_time_s;
    s->work_fraction = s->w_time_s / s->t_time_s;
    s->overhead_fraction = s->o_time_s / s->t_time_s;
    s->speedup = NAN;
    s->accuracy = evaluation_accuracy(&j->evaluation);
    s->loss = evaluation_loss(&j->evaluation);
    s->images_per_s = t->images / s->t_time_s;
    s->nodes = workers;
    s->cores = cores;
    s->repeats = 1.0;
    s->t_start_s = t->t_zero_s - j->t_begin_s;
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
    t->t_work_s = memory_new(size, sizeof *t->t_work_s, err);
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
    memory_free(t.t_work_s);
    memory_free(t.tail);
    memory_free(t.tail_mean);
    return good;
}
