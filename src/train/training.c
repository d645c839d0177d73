#include "training.h"

#include "base/memory.h"
#include "place.h"
#include "round.h"
#include "server.h"
#include "train/interrupt.h"

/* Called while a worker waits. */
static void pass_on(void *arg)
{
    training *t = arg;
    stall_send(&t->stall, PHASE_WAIT);
    if (interrupt_signal() != 0 && t->signal == 0 && transport_send_word(interrupt_signal()))
        t->signal = interrupt_signal();
}

static bool allocate(training *t, error *err)
{
    const size_t size = (size_t)transport_size(), n = (size_t)t->job->course.n_clients;
    roster_init(&t->roster, &t->job->course, err);
    const size_t n_slots = (size_t)t->roster.n_slots;
    t->mine = memory_new(n_slots, sizeof *t->mine, err);
    t->decision = memory_new(1, sizeof *t->decision + size * n_slots * sizeof *t->notes, err);
    t->notes = t->decision ? (segment_note *)(t->decision + 1) : NULL;
    t->weights = memory_new(n, sizeof *t->weights, err);
    t->of_ranks = memory_new(size, sizeof *t->of_ranks, err);
    t->ends = memory_new(size, sizeof *t->ends, err);
    present_init(&t->present, &t->job->course, err);
    stall_init(&t->stall, t->job->options->stall, err);
    saving_init(&t->saving, t->job, err);
    if (transport_is_server())
        server_open(t, err);
    return transport_agree(err);
}

/* All are ready: time begins, behind that of former starts. */
static void begin(training *t)
{
    const job *j = t->job;
    interrupt_catch();
    t->books.t_zero_s = clock_now(); /* who looks while it waits shows a time since */
    transport_on_wait(transport_is_server() ? server_listen : pass_on, t);
    saving_keep_own(&t->saving, j->course.rounds_before);
    transport_barrier();
    t->books.t_zero_s = t->t_ready_s = t->t_average_s = clock_now();
    if (transport_is_server())
        server_past(t);
    if (j->course.rounds_before > 0)
        saving_keep(&t->saving, j->course.rounds_before, t->books.testing.round);
    if (transport_is_server()) /* all it goes on from is in memory again */
        place_remove(j->server.spent);
    t->books.cpu_zero_s = clock_cpu();
    phases_start(&t->phases, PHASE_OTHER);
}

static bool run_rounds(training *t, uint64_t *rounds, error *err)
{
    const course *on = &t->job->course;
    uint64_t round = on->rounds_before;
    if (transport_size() == 1 && !t->books.testing.done)
        server_test_inline(t);
    for (; round < on->rounds && !t->books.reached; round++) {
        if (!round_run(t, round, err))
            return false;
        if (t->decision->stop)
            break; /* this round is dropped */
        if (transport_size() == 1)
            server_test_inline(t);
    }
    *rounds = round;
    return true;
}

/* Asked to stop: the round is dropped, what was kept of the one before is saved.  Collective. */
static void stop_run(training *t, error *err)
{
    t->stopped_by = t->decision->signal;
    t->rounds_done = t->saving.rounds;
    if (saving_write(&t->saving, t->stopped_by, err) && transport_is_server())
        flushing_wait(&t->books.flushing, err);
}

static void finish_run(training *t, uint64_t rounds, record_summary *summary, error *err)
{
    server_test_rest(t);
    saving_finish(&t->saving);
    flushing_wait(&t->books.flushing, &t->books.error);
    if (t->signal != 0) { /* all rounds are done, and saved if they were to be */
        t->stopped_by = t->signal;
        t->rounds_done = t->saving.rounds;
    } else
        server_summary(t, rounds, summary);
    *err = t->books.error;
}

bool training_run(training *self, job *of, record_summary *summary, error *err)
{
    training *t = self;
    uint64_t rounds = 0;
    *t = (training){.job = of};
    if (!allocate(t, err))
        return false;
    begin(t);
    bool good = run_rounds(t, &rounds, err), stopped = good && t->decision->stop == STOP_ASKED;
    if (transport_is_server() && (!good || stopped))
        testing_leave(&t->books.testing, &t->books.error);
    if (stopped)
        stop_run(t, err);
    else if (good && transport_is_server())
        finish_run(t, rounds, summary, err);
    transport_on_wait(NULL, NULL);
    transport_clear_stop(); /* one may have come too late for somebody */
    return good && transport_agree(err);
}

void training_release(training *self)
{
    server_close(self);
    saving_release(&self->saving);
    stall_release(&self->stall);
    present_release(&self->present);
    memory_free(self->decision);
    memory_free(self->mine);
    memory_free(self->weights);
    memory_free(self->of_ranks);
    roster_release(&self->roster);
    memory_free(self->ends);
    *self = (training){0};
}

uint64_t training_rescue(training *self, error *err)
{
    /* The server may be one behind: what it has kept is what all go back to. */
    transport_broadcast(&self->saving.rounds, sizeof self->saving.rounds, 0, TRANSPORT_SLEEP);
    const uint64_t rounds = self->saving.rounds;
    if (rounds == 0 || !saving_rescue(&self->saving, err))
        return 0;
    self->saving.rounds = 0; /* they are in a file; the others need not have them any more */
    return rounds;
}
