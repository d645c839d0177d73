#include "clients.h"

#include "shown.h"

#include <string.h>

float *clients_weights(const training *t, const client *who)
{
    const job *j = t->job;
    return j->rows ? j->rows + (size_t)t->roster.slot[who->number] * j->row_stride : j->w;
}

/* After each step of mine. */
static void step_done(void *arg, const segment_note *mine)
{
    training *t = arg;
    stall_send(&t->stall, PHASE_TRAIN);
    present_send(&t->present, t->segment_images + mine->images);
    if (transport_is_server())
        shown_present(t);
}

/* Where it does not train in the weights themselves it begins with a copy. */
static void train_client(training *t, client *who, uint64_t segment, segment_note *mine)
{
    job *j = t->job;
    float *w = clients_weights(t, who);
    if (w != j->w)
        memcpy(w, j->w, j->model->n_weights * sizeof *w);
    const int k = (int)(who - j->worker.clients);
    local_give(&j->merge.local, k, w);
    if (j->variates.of)
        variates_turn(&j->variates, k);
    worker_turn(&j->worker, who, (network_vectors){w, j->g});
    worker_train(&j->worker, &t->phases, segment, mine, step_done, t);
    t->segment_images += mine->images;
}

/* Before the average takes its weights away. */
static void test_own(training *t, const client *who)
{
    job *j = t->job;
    const enum phase before = phases_enter(&t->phases, PHASE_EVALUATE);
    probe_own(&j->probe, &j->worker, (int)(who - j->worker.clients), clients_weights(t, who));
    phases_enter(&t->phases, before);
}

void clients_train(training *t, uint64_t round, uint64_t segment)
{
    worker *all = &t->job->worker;
    t->segment_images = 0.0;
    const bool tests = t->job->probe.on && course_tests(&t->job->course, round) &&
                       segment + 1 == t->job->course.segments;
    bool stopped = false;
    for (int k = 0; k < all->n_clients; k++) {
        client *who = &all->clients[k];
        const int slot = t->roster.slot[who->number];
        if (slot < 0)
            worker_skip(all, who, segment);
        else if (!stopped) {
            train_client(t, who, segment, &t->mine[slot]);
            stopped = t->mine[slot].signal != 0 || transport_stop_called();
            if (tests && !stopped && !t->mine[slot].diverged)
                test_own(t, who);
        }
    }
}

void clients_forget_diverged(training *t)
{
    const worker *all = &t->job->worker;
    for (int k = 0; k < all->n_clients; k++) {
        const int slot = t->roster.slot[all->clients[k].number];
        if (slot < 0 || !t->mine[slot].diverged)
            continue;
        optimizer_forget(&all->clients[k].by->optimizer);
        local_take(&t->job->merge.local, k, t->job->w);
    }
}

void clients_keep_local(training *t)
{
    job *j = t->job;
    for (int k = 0; k < j->worker.n_clients; k++)
        if (t->roster.slot[j->worker.clients[k].number] >= 0)
            local_take(&j->merge.local, k, clients_weights(t, &j->worker.clients[k]));
}

void clients_add_variates(training *t, int n)
{
    job *j = t->job;
    for (int k = 0; k < j->worker.n_clients; k++) {
        const client *who = &j->worker.clients[k];
        const int slot = t->roster.slot[who->number];
        if (slot < 0 || t->mine[slot].diverged || !(t->mine[slot].images > 0.0))
            continue;
        const variates_round round = {j->merge.before, clients_weights(t, who), t->mine[slot].way,
                                      who->by->optimizer.epoch};
        variates_add(&j->variates, k, &round, n);
    }
}
