#include "server.h"

#include "base/memory.h"
#include "base/quantile.h"
#include "results.h"
#include "shown.h"
#include "train/interrupt.h"
#include "transport/transport.h"

#include <math.h>

enum { SLICES_PER_SEGMENT = 64 };
static const double SLICE_S = 2e-3;

bool server_open(training *t, error *err)
{
    server *s = &t->job->server;
    books *b = &t->books;
    b->t_target_s = NAN;
    b->account.machines = s->machines;
    shown_begin(t);
    b->rows = memory_new((size_t)transport_size(), sizeof *b->rows, err);
    b->clients = memory_new(results_clients(t->job), sizeof *b->clients, err);
    b->accuracies = memory_new(results_clients(t->job), sizeof *b->accuracies, err);
    return b->rows && b->clients && b->accuracies &&
           testing_init(&b->testing, &s->evaluation, s->record, &s->measured, err) &&
           swa_init(&b->tail, t->job->options->tail_average, t->job->model, err) &&
           flushing_init(&b->flushing, s->record, err);
}

void server_close(training *t)
{
    books *b = &t->books;
    progress_stop(&b->progress);
    flushing_release(&b->flushing);
    testing_release(&b->testing);
    swa_release(&b->tail);
    memory_free(b->rows);
    memory_free(b->clients);
    memory_free(b->accuracies);
    *b = (books){0};
}

void server_past(training *t)
{
    books *b = &t->books;
    const record_file *past = t->job->server.past;
    if (!past || past->n_rounds == 0)
        return;
    const record_round *last = &past->rounds[past->n_rounds - 1];
    account_past(&b->account, past);
    b->t_zero_s -= last->t_end_s;
    b->shown = (progress_state){past->n_rounds, last->t_end_s, b->account.images, last->loss,
                                .accuracy = NAN};
    if (past->model_round >= 0)
        testing_begin(&b->testing, past->model_round, t->job->server.evaluation.w);
}

/* ---- while the server waits --------------------------------------------------------------------- */

/* Have the workers cut the round short. */
static void call_stop(training *t)
{
    books *b = &t->books;
    if (transport_size() > 1 && !b->stop_called && b->shown.rounds < t->job->course.rounds)
        transport_call_stop();
    b->stop_called = true;
}

void server_listen(void *arg)
{
    training *t = arg;
    books *b = &t->books;
    const server *s = &t->job->server;
    int rank;
    int64_t word;
    while (transport_receive_word(&rank, &word))
        if (!present_received(&t->present, rank, word) && !stall_received(&t->stall, rank, word) &&
            t->signal == 0)
            t->signal = (int)word;
    stall_look(&t->stall, s->machines, t->present.round, s->record, &b->error);
    flushing_look(&b->flushing, &b->error);
    shown_present(t);
    if (t->signal == 0)
        t->signal = interrupt_signal();
    if (t->signal != 0)
        call_stop(t);
}

/* A test has come to its end: is the target reached? */
static void note_test(training *t, const record_test *row)
{
    books *b = &t->books;
    double target = t->job->options->target_accuracy;
    double reached = t->job->options->validate > 0 ? row->accuracy_validation : row->accuracy;
    b->shown.accuracy = row->accuracy;
    b->shown.held_out = row->accuracy_validation;
    b->shown.accuracy_round = (uint64_t)b->testing.round + 1;
    flushing_want(&b->flushing);
    if (target > 0.0 && reached >= target && !b->reached) {
        b->reached = true;
        b->t_target_s = clock_now() - b->t_zero_s - b->t_inline_s;
        call_stop(t);
    }
}

/* Some t_s seconds of a test; returns whether there was anything to do. */
static bool test(training *t, double t_s)
{
    record_test row;
    testing *its = &t->books.testing;
    server_listen(t);
    if (its->done || t->signal != 0)
        return false;
    enum phase before = phases_enter(&t->phases, PHASE_EVALUATE);
    if (testing_slice(its, t_s, &row, &t->books.error))
        note_test(t, &row);
    phases_enter(&t->phases, before);
    return true;
}

/* Meanwhile the notes may come: so a slice is short, against a segment too. */
bool server_test_some(void *arg)
{
    training *t = arg;
    return test(t, fmin(SLICE_S, t->t_segment_s / SLICES_PER_SEGMENT));
}

void server_test_rest(training *t)
{
    while (test(t, INFINITY))
        ;
}

void server_test_inline(training *t)
{
    double start = clock_now();
    server_test_rest(t);
    t->books.t_inline_s += clock_now() - start;
    shown_round(t);
}

/* ---- its steps of a round ------------------------------------------------------------------------ */

void server_begin_round(training *t)
{
    t->books.round = (record_round){0};
    for (size_t k = 0; k < results_clients(t->job); k++)
        t->books.clients[k] = (record_client_round){.test_accuracy = NAN, .own_accuracy = NAN};
    swa_begin(&t->books.tail);
}

void server_decide(training *t, uint64_t round, bool last)
{
    decision *d = t->decision;
    phases_enter(&t->phases, PHASE_SERVE);
    if (last)
        server_test_rest(t); /* so that it does not depend on who was faster */
    server_listen(t);
    for (int k = 0; k < transport_size() * t->roster.n_slots && t->signal == 0; k++)
        t->signal = t->notes[k].signal;
    d->signal = t->signal;
    d->stop = t->signal ? STOP_ASKED : t->books.reached ? STOP_TARGET : STOP_NOT;
    d->save = last && saving_due(&t->saving, round);
    d->error = t->books.error.kind != ERROR_NONE;
}

void server_segment(training *t, uint64_t segment)
{
    account_segment(&t->books.account, t->notes, &t->roster, &t->books.round);
    if (results_clients(t->job) > 0)
        account_clients(t->notes, &t->roster, t->books.clients);
    uint64_t take;
    if (!course_take(&t->job->course, segment, &take))
        return;
    swa_add(&t->books.tail, t->job->w, take, t->job->course.takes);
    ema_add(&t->job->server.ema, t->job->w);
}

/* Its row, and its time: by the clock that began first. */
static void close_round(training *t)
{
    books *b = &t->books;
    record_round *row = &b->round;
    double t_s = clock_now() - t->t_ready_s - b->t_inline_s;
    double late_s = account_time(t->ends, t_s) - t_s;
    t->t_ready_s -= late_s;
    b->t_zero_s -= late_s;
    row->t_end_s = clock_now() - b->t_zero_s - b->t_inline_s;
    account_round(&b->account, t->ends, b->rows, row);
    row->epochs = b->account.images / (double)t->job->course.n_train;
}

/* The clients' rows. */
static void add_clients(training *t, uint64_t round)
{
    books *b = &t->books;
    const probe *tests = &t->job->probe;
    for (size_t k = 0; k < results_clients(t->job); k++) {
        record_client_round *row = &b->clients[k];
        const double images = row->images > 0.0 ? row->images : NAN;
        row->loss /= images;
        row->accuracy /= images;
    }
    for (int k = 0; tests->on && k < transport_size() * tests->n_most; k++) {
        const probe_note *note = &tests->all[k];
        if (note->client < 0.0)
            continue;
        b->clients[(size_t)note->client].test_accuracy = note->test_accuracy;
        b->clients[(size_t)note->client].own_accuracy = note->own_accuracy;
    }
    record_add_client_rounds(t->job->server.record, (size_t)round, b->clients, &b->error);
}

void server_round(training *t, uint64_t round)
{
    books *b = &t->books;
    const course *on = &t->job->course;
    close_round(t);
    if (results_clients(t->job) > 0)
        add_clients(t, round);
    record_add_round(t->job->server.record, (size_t)round, &b->round, b->rows, &b->error);
    flushing_want(&b->flushing);
    flushing_look(&b->flushing, &b->error);
    b->shown.rounds = round + 1;
    b->shown.t_s = b->round.t_end_s;
    b->shown.images = b->account.images;
    b->shown.loss = b->round.loss;
    const bool due = course_tests(on, round);
    const float *averaged = t->job->server.ema.w;
    testing_take(&b->testing, round, averaged ? averaged : swa_model(&b->tail, t->job->w), due,
                 &b->error);
    if (transport_size() > 1) /* a single rank shows the round once it is tested */
        shown_round(t);
}

/* ---- the end ------------------------------------------------------------------------------------- */

/* How those are spread that have tested after the last round. */
static void summarize_clients(const books *b, size_t n_clients, record_summary *s)
{
    for (size_t k = 0; k < n_clients; k++)
        b->accuracies[k] = b->clients[k].test_accuracy;
    const size_t n = quantile_sort(b->accuracies, n_clients);
    s->accuracy_clients_min = quantile(b->accuracies, n, 0.0);
    s->accuracy_clients_q1 = quantile(b->accuracies, n, 0.25);
    s->accuracy_clients_median = quantile(b->accuracies, n, 0.5);
    s->accuracy_clients_q3 = quantile(b->accuracies, n, 0.75);
    s->accuracy_clients_max = quantile(b->accuracies, n, 1.0);
}

void server_summary(training *t, uint64_t rounds, record_summary *s)
{
    const job *j = t->job;
    books *b = &t->books;
    double wall = clock_now() - t->t_ready_s - b->testing.t_spent_s;
    double cpu = clock_cpu() - b->cpu_zero_s - b->testing.cpu_spent_s;
    s->t_time_s = b->shown.t_s;
    account_summarize(&b->account, s);
    if (j->options->label.cores > 0)
        s->cores = (double)j->options->label.cores;
    evaluation *e = &t->job->server.evaluation;
    s->accuracy = evaluation_accuracy(e, EVALUATION_TEST);
    s->accuracy_tta = evaluation_tta(e);
    s->accuracy_validation = evaluation_accuracy(e, EVALUATION_VALIDATION);
    summarize_clients(b, results_clients(j), s);
    s->loss = evaluation_loss(e, EVALUATION_TEST);
    s->t_start_s = t->t_ready_s - j->t_begin_s;
    s->t_start_mpi_s = j->t_start_mpi_s;
    s->t_start_data_s = j->t_start_data_s;
    s->t_target_s = b->t_target_s;
    s->server_cpu_fraction = transport_size() > 1 ? cpu / wall : NAN;
    s->rounds = (double)rounds;
    s->complete = 1.0;
    record_add_summary(j->server.record, s, &b->error);
}
