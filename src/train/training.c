#include "training.h"

#include "base/memory.h"
#include "host/machine.h"
#include "host/sensors.h"
#include "place.h"
#include "server.h"
#include "train/interrupt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the server's half -------------------------------------------------------------------------- */

/* Called while a worker waits. */
static void pass_on(void *arg)
{
    training *t = arg;
    stall_tell(&t->stall, PHASE_WAIT);
    if (interrupt_signal() != 0 && t->signal == 0 && transport_send_word(interrupt_signal()))
        t->signal = interrupt_signal();
}

static void finish_round(training *t, uint64_t round)
{
    job *j = t->job;
    record_round *row = &t->round;
    double t_s = clock_now() - t->t_ready_s - t->t_inline_s,
           late_s = account_time(t->ends, t_s) - t_s;
    t->t_ready_s -= late_s;
    t->t_zero_s -= late_s;
    row->t_end_s = clock_now() - t->t_zero_s - t->t_inline_s;
    account_round(&t->account, t->ends, t->rows, row);
    row->passes = t->account.images / (double)j->course.n_train;
    record_add_round(j->server.record, (size_t)round, row, t->rows, &t->error);
    flushing_want(&t->flushing);
    flushing_look(&t->flushing, &t->error);
    t->shown.rounds = round + 1;
    t->shown.t_s = row->t_end_s;
    t->shown.images = t->account.images;
    t->shown.loss = row->loss;
    server_take_model(t, round);
    if (transport_size() > 1) /* a single rank shows the round once it is evaluated */
        server_show(t);
}

/* ---- both halves -------------------------------------------------------------------------------- */

/* May training go on without those whose weights are no longer finite? */
static bool report_divergence(const training *t, uint64_t round, error *err)
{
    const job *j = t->job;
    int n_diverged = 0;
    for (int k = 0; k < transport_size(); k++)
        n_diverged += t->notes[k].diverged != 0;
    if (j->options->on_nan == ON_NAN_SKIP && n_diverged < transport_workers())
        return true;
    for (int k = 0; k < transport_size(); k++)
        if (t->notes[k].diverged)
            return error_user(
                err,
                "round %llu, rank %d on %s: the weights%s%s are no longer finite or far too "
                "large, training has diverged: choose a smaller --lr",
                (unsigned long long)round + 1, k,
                j->server.machines ? j->server.machines[k].host : "",
                t->notes[k].layer[0] ? " of layer " : "", t->notes[k].layer);
    return true;
}

/* After each step of mine. */
static void step_done(void *arg, const segment_note *mine)
{
    training *t = arg;
    stall_tell(&t->stall, PHASE_TRAIN);
    present_tell(&t->present, mine->images);
    if (transport_is_server())
        server_show_present(t);
}

/* Everyone's notes to the server, its decision and the notes back to everyone. */
static bool exchange(training *t, const segment_note *mine, uint64_t round, bool last, error *err)
{
    bool serves = transport_is_server();
    phases_enter(&t->phases, PHASE_WAIT);
    double since_s = clock_now();
    if (serves)
        stall_begin(&t->stall);
    transport_gather_working(mine, sizeof *mine, t->notes, serves ? server_evaluate_some : NULL, t);
    t->t_segment_s = clock_now() - t->t_average_s;
    if (serves) {
        phases_enter(&t->phases, PHASE_SERVE);
        if (last)
            server_evaluate_rest(t); /* so that it does not depend on who was faster */
        server_listen(t);
        for (int k = 0; k < transport_size() && t->signal == 0; k++)
            t->signal = t->notes[k].signal;
        t->decision->signal = t->signal;
        t->decision->stop = t->signal ? STOP_ASKED : t->stop ? STOP_TARGET : STOP_NOT;
        t->decision->save = last && saving_due(&t->saving, t->job, round);
        t->decision->error = t->error.kind != ERROR_NONE;
    }
    transport_broadcast(t->decision, sizeof *t->decision + (size_t)transport_size() * sizeof *mine,
                        0, TRANSPORT_SLEEP);
    t->t_wait_s = serves ? 0.0 : clock_now() - since_s;
    if (!t->decision->error)
        return true;
    if (serves)
        *err = t->error;
    return transport_agree(err);
}

static bool run_segment(training *t, uint64_t round, uint64_t segment, record_rank *row, error *err)
{
    job *j = t->job;
    segment_note mine = {.t_wait_s = segment > 0 ? t->t_wait_s : 0.0};
    if (transport_is_worker())
        worker_train(&j->worker, &t->phases, segment, &mine, step_done, t);
    if (!exchange(t, &mine, round, segment + 1 == j->course.segments, err))
        return false;
    if (t->decision->stop)
        return true;
    if (!report_divergence(t, round, err))
        return false;
    phases_enter(&t->phases, PHASE_PACK);
    for (int k = 0; k < transport_size(); k++) {
        t->weights[k] = t->notes[k].diverged ? 0.0 : t->notes[k].images;
        present_note(&t->present, k, t->notes[k].images);
    }
    double t_wire_s = transport_average(j->rule, j->w, j->model->n_weights, t->weights, j->scratch);
    phases_enter(&t->phases, transport_is_server() ? PHASE_SERVE : PHASE_OTHER);
    phases_move(&t->phases, PHASE_PACK, PHASE_WIRE, t_wire_s);
    t->t_average_s = clock_now();
    if (mine.diverged) { /* it begins anew with the others' weights */
        row->skipped += 1.0;
        worker_drop_momentum(&j->worker);
    } else {
        row->images += mine.images;
        row->loss += mine.loss_sum;
        row->accuracy += mine.correct;
    }
    row->steps += mine.steps;
    row->bytes_sent +=
        (double)j->rule->bytes(j->model->n_weights, transport_rank(), transport_size());
    if (transport_is_server()) {
        account_segment(&t->account, t->notes, &t->round);
        server_add_to_tail(t, segment);
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
    present_begin(&t->present, round);
    memset(&t->round, 0, sizeof t->round);
    memset(t->tail, 0, j->model->n_weights * sizeof *t->tail);
    t->n_tail = 0;
    if (transport_is_worker() && !j->options->keep_momentum)
        worker_drop_momentum(&j->worker);
    for (uint64_t segment = 0; segment < j->course.segments; segment++) {
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
    end.t_own_s = clock_now() - t->t_ready_s;
    saving_keep_momentum(&t->saving, j, round + 1);
    transport_gather(&end, sizeof end, t->ends, TRANSPORT_SLEEP);
    phases_enter(&t->phases, PHASE_OUTPUT);
    if (transport_is_server())
        finish_round(t, round);
    saving_keep(&t->saving, j, round + 1, t->eval_round);
    if (t->decision->save)
        saving_begin(&t->saving, j);
    phases_enter(&t->phases, PHASE_OTHER);
    return true;
}

static void summarize(training *t, uint64_t rounds, record_summary *s)
{
    const job *j = t->job;
    double wall = clock_now() - t->t_ready_s - t->t_eval_s;
    double cpu = clock_cpu() - t->cpu_zero_s - t->cpu_eval_s;
    s->t_time_s = t->shown.t_s;
    account_summarize(&t->account, s);
    if (j->options->label.cores > 0)
        s->cores = (double)j->options->label.cores;
    s->accuracy = evaluation_accuracy(&j->server.evaluation);
    s->loss = evaluation_loss(&j->server.evaluation);
    s->t_start_s = t->t_ready_s - j->t_begin_s;
    s->t_start_mpi_s = j->t_start_mpi_s;
    s->t_start_data_s = j->t_start_data_s;
    s->t_target_s = t->t_target_s;
    s->server_cpu_fraction = transport_size() > 1 ? cpu / wall : NAN;
    s->rounds = (double)rounds;
    s->complete = 1.0;
}

static bool run_rounds(training *t, uint64_t *rounds, error *err)
{
    uint64_t n = t->job->course.rounds, round = t->job->course.rounds_before;
    if (transport_size() == 1 && !t->eval_noted)
        server_evaluate_inline(t);
    for (; round < n && !t->stop; round++) {
        if (!run_round(t, round, err))
            return false;
        if (t->decision->stop)
            break; /* this round is dropped */
        if (transport_size() == 1)
            server_evaluate_inline(t);
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
    present_init(&t->present, &t->job->course, err);
    stall_init(&t->stall, t->job->options->stall, err);
    saving_init(&t->saving, t->job, err);
    t->tail = memory_new(t->job->model->n_weights, sizeof *t->tail, err);
    t->tail_mean = memory_new(t->job->model->n_weights, sizeof *t->tail_mean, err);
    if (transport_is_server())
        flushing_init(&t->flushing, t->job->server.record, err);
    if (transport_is_server())
        t->kept = memory_new(t->job->model->n_weights, sizeof *t->kept, err);
    return transport_agree(err);
}

/* Asked to stop: the round is dropped, what was kept of the one before is saved.  Collective. */
static void stop_run(training *t, error *err)
{
    t->stopped_by = t->decision->signal;
    t->rounds_done = t->saving.rounds;
    if (saving_write(&t->saving, t->job, t->stopped_by, err) && transport_is_server())
        flushing_wait(&t->flushing, err);
}

static void finish_run(training *t, uint64_t rounds, record_summary *summary, error *err)
{
    server_evaluate_rest(t);
    saving_finish(&t->saving);
    flushing_wait(&t->flushing, &t->error);
    if (t->signal != 0) { /* all rounds are done, and saved if they were to be */
        t->stopped_by = t->signal;
        t->rounds_done = t->saving.rounds;
    } else {
        summarize(t, rounds, summary);
        record_add_summary(t->job->server.record, summary, &t->error);
    }
    *err = t->error;
}

/* What former starts have done. */
static void go_on(training *t)
{
    const record_file *past = t->job->server.past;
    if (t->job->course.rounds_before == 0)
        return;
    if (past) {
        const record_round *last = &past->rounds[past->n_rounds - 1];
        account_past(&t->account, past);
        t->t_zero_s -= last->t_end_s;
        t->shown = (progress_state){past->n_rounds, last->t_end_s, t->account.images, last->loss,
                                    .accuracy = NAN};
        if (past->model_round >= 0) {
            t->eval_round = past->model_round;
            t->eval_noted = false;
            t->t_test_begun_s = t->t_eval_s;
            evaluation_begin(&t->job->server.evaluation, t->job->server.evaluation.w);
        }
    }
    saving_keep(&t->saving, t->job, t->job->course.rounds_before, t->eval_round);
    if (transport_is_server()) /* all it goes on from is in memory again */
        place_remove(t->job->server.spent);
}

bool training_run(training *self, job *of, record_summary *summary, error *err)
{
    training *t = self;
    uint64_t rounds = 0;
    *t = (training){
        .job = of, .eval_round = -1, .kept_round = -1, .eval_noted = true, .t_target_s = NAN};
    bool good = allocate(t, err);
    if (good) {
        progress_start(&t->progress, of->options->quiet || !transport_is_server(),
                       of->course.rounds);
        t->shown.accuracy = t->shown.tested = NAN;
        t->t_shown_s = clock_now();
        interrupt_catch();
        transport_on_wait(transport_is_server() ? server_listen : pass_on, t);
        saving_keep_momentum(&t->saving, of, of->course.rounds_before);
        transport_barrier();
        t->account.machines = of->server.machines;
        t->t_zero_s = t->t_ready_s = t->t_average_s = clock_now();
        go_on(t);
        t->cpu_zero_s = clock_cpu();
        phases_start(&t->phases, PHASE_OTHER);
        good = run_rounds(t, &rounds, err);
    }
    if (transport_is_server() && (!good || t->decision->stop == STOP_ASKED))
        server_leave_model(t, &t->error);
    if (good && t->decision->stop == STOP_ASKED)
        stop_run(t, err);
    else if (good && transport_is_server())
        finish_run(t, rounds, summary, err);
    transport_on_wait(NULL, NULL);
    transport_clear_stop(); /* one may have come too late for somebody */
    return good && transport_agree(err);
}

void training_release(training *self)
{
    training *t = self;
    progress_stop(&t->progress);
    flushing_release(&t->flushing);
    saving_finish(&t->saving);
    memory_free(t->decision);
    memory_free(t->weights);
    memory_free(t->rows);
    memory_free(t->ends);
    present_release(&t->present);
    stall_release(&t->stall);
    saving_release(&t->saving);
    memory_free(t->tail);
    memory_free(t->tail_mean);
    memory_free(t->kept);
    *t = (training){0};
}

uint64_t training_rescue(training *self, error *err)
{
    /* The server may be one behind. */
    uint64_t rounds = self->saving.rounds;
    transport_broadcast(&rounds, sizeof rounds, 0, TRANSPORT_SLEEP);
    if (rounds == 0 || !saving_rescue(&self->saving, self->job, err))
        return 0;
    self->saving.rounds = 0;
    return rounds;
}
