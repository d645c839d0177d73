#include "round.h"

#include "clients.h"
#include "host/machine.h"
#include "host/sensors.h"
#include "kernels/update.h"
#include "server.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { NOTES_BYTES = 1 << 16 }; /* that can be gathered while the server works */

/* ---- a segment ----------------------------------------------------------------------------------- */

/* Of a place of the roster. */
static const segment_note *note_of(const training *t, int place)
{
    return &t->notes[roster_at(&t->roster, place)];
}

/* Gather the notes, while the server tests where they are short; broadcast its decision and all notes. */
static bool exchange(training *t, uint64_t round, bool last, error *err)
{
    const bool serves = transport_is_server();
    const size_t n_mine = (size_t)t->roster.n_slots * sizeof *t->mine,
                 n_bytes = sizeof *t->decision + (size_t)transport_size() * n_mine;
    phases_enter(&t->phases, PHASE_WAIT);
    double since_s = clock_now();
    if (serves)
        stall_begin(&t->stall);
    if (n_mine <= NOTES_BYTES)
        transport_gather_working(t->mine, n_mine, t->notes, serves ? server_test_some : NULL, t);
    else
        transport_gather(t->mine, n_mine, t->notes, TRANSPORT_SLEEP);
    t->t_segment_s = clock_now() - t->t_average_s;
    if (serves)
        server_decide(t, round, last);
    transport_broadcast(t->decision, n_bytes, 0, TRANSPORT_SLEEP);
    t->t_wait_s = serves ? 0.0 : clock_now() - since_s;
    if (!t->decision->error)
        return true;
    if (serves)
        *err = t->books.error;
    return transport_agree(err);
}

static bool report_divergence(const training *t, uint64_t round, int place, error *err)
{
    const record_machine *machines = t->job->server.machines;
    const roster_place *at = &t->roster.places[place];
    const segment_note *note = note_of(t, place);
    char who[48] = "";
    if (t->job->course.n_clients > t->job->course.n_workers)
        snprintf(who, sizeof who, "client %d, ", at->client + 1);
    return error_user(
        err,
        "round %llu, %srank %d on %s: the weights%s%s are no longer finite or far too "
        "large, training has diverged: choose a smaller --lr",
        (unsigned long long)round + 1, who, at->rank, machines ? machines[at->rank].host : "",
        note->layer[0] ? " of layer " : "", note->layer);
}

/* May training go on without those whose weights are no longer finite? */
static bool check_divergence(const training *t, uint64_t round, error *err)
{
    const int least = aggregate_least(&t->job->merge.aggregate.choice);
    int n_diverged = 0, first = 0;
    for (int i = t->roster.n - 1; i >= 0; i--)
        if (note_of(t, i)->diverged) {
            n_diverged++;
            first = i;
        }
    if (n_diverged == 0 || (t->job->options->on_nan == ON_NAN_SKIP &&
                            t->job->course.participants - n_diverged >= least))
        return true;
    return report_divergence(t, round, first, err);
}

/*
 * FedNova: ways of unlike lengths a_i count by their directions, d_i / a_i, and the mean of these goes as far as the
 * mean way: by weights p_i / a_i the mean has to be stretched by (sum p_i a_i) (sum p_i / a_i).
 * Source: Wang et al., arXiv:2007.07481.
 */
static double normalize(training *t)
{
    double total = 0.0, ways = 0.0, shares = 0.0, first = 0.0;
    bool alike = true;
    for (int k = 0; k < t->roster.n; k++) {
        const double images = t->weights[k], way = note_of(t, k)->way;
        if (!(images > 0.0))
            continue;
        first = first > 0.0 ? first : way;
        alike = alike && way == first;
        total += images;
        ways += images * way;
        shares += images / way;
    }
    if (alike)
        return 1.0;
    for (int k = 0; k < t->roster.n; k++)
        if (t->weights[k] > 0.0)
            t->weights[k] /= note_of(t, k)->way;
    return ways / total * (shares / total);
}

/* Of its clients, of which it has one at most but where these are added up. */
static const double *weights_of_ranks(training *t)
{
    for (int r = 0; r < transport_size(); r++)
        t->of_ranks[r] = 0.0;
    for (int k = 0; k < t->roster.n; k++)
        t->of_ranks[t->roster.places[k].rank] += t->weights[k];
    return t->of_ranks;
}

static double take_variates(training *t)
{
    int n = 0;
    if (!t->job->variates.of)
        return 0.0;
    for (int k = 0; k < t->roster.n; k++)
        n += t->weights[k] > 0.0;
    clients_add_variates(t, n);
    return variates_take(&t->job->variates, weights_of_ranks(t), n);
}

/* Everyone's weights become their mean, by images seen, and what the outer rule makes of it. */
static double average_weights(training *t, uint64_t round, uint64_t segment)
{
    job *j = t->job;
    const uint64_t number = round * j->course.segments + segment;
    const double t_wire_s = take_variates(t);
    clients_keep_local(t);
    merge_shares shares = {t->weights, j->options->normalize_steps ? normalize(t) : 1.0};
    if (t->roster.n_slots > 1) {
        const merge_rows rows = {&t->roster, j->rows, j->row_stride};
        return t_wire_s + merge_clients(&j->merge, j->w, &rows, &shares, number);
    }
    shares.weights = weights_of_ranks(t);
    return t_wire_s + merge_weights(&j->merge, j->w, &shares, number);
}

/* Everyone takes the same step, by the mean of the gradients. */
static double average_gradients(training *t)
{
    job *j = t->job;
    float largest = 0.0F;
    for (int k = 0; k < t->roster.n; k++)
        if (t->weights[k] > 0.0)
            largest = fmaxf(largest, note_of(t, k)->largest);
    return merge_gradients(&j->merge, j->g, j->model->n_trained, largest, weights_of_ranks(t));
}

static bool take_step(training *t, uint64_t round, uint64_t segment, error *err)
{
    job *j = t->job;
    uint64_t take;
    phases_enter(&t->phases, transport_is_worker() ? PHASE_TRAIN : PHASE_SERVE);
    descent_step(&j->descents[0], j->w, j->g, j->with.n_threads);
    if (course_take(&j->course, segment, &take))
        merge_outer(&j->merge, j->w, round * j->course.takes + take);
    bool sound = segment + 1 < j->course.segments || /* else the next loss would tell */
                 vector_finite_below(j->w, j->model->n_weights, AVERAGE_LIMIT);
    phases_enter(&t->phases, transport_is_server() ? PHASE_SERVE : PHASE_OTHER);
    return sound || error_user(err,
                               "round %llu: the weights are no longer finite or far too large, "
                               "training has diverged: choose a smaller --lr",
                               (unsigned long long)round + 1);
}

/* How much a worker counts: not at all where it has diverged; as much as others where none may stand out. */
static double share_of(const training *t, const segment_note *its)
{
    if (its->diverged)
        return 0.0;
    return t->job->merge.privacy.clip > 0.0 && its->images > 0.0 ? 1.0 : its->images;
}

static bool end_segment(training *t, uint64_t round, uint64_t segment, error *err)
{
    job *j = t->job;
    const bool gradients = j->options->sync == SYNC_GRADIENTS;
    phases_enter(&t->phases, PHASE_PACK);
    for (int k = 0; k < t->roster.n; k++) { /* as many in every round */
        t->weights[k] = share_of(t, note_of(t, k));
        present_note(&t->present, t->roster.places[k].rank, note_of(t, k)->images);
    }
    double t_wire_s = gradients ? average_gradients(t) : average_weights(t, round, segment);
    phases_enter(&t->phases, transport_is_server() ? PHASE_SERVE : PHASE_OTHER);
    phases_move(&t->phases, PHASE_PACK, PHASE_WIRE, t_wire_s);
    bool good = !gradients || take_step(t, round, segment, err);
    t->t_average_s = clock_now();
    return good;
}

/* A client's segment in this rank's row. */
static void add_client(const segment_note *mine, record_rank *row)
{
    if (mine->diverged)
        row->skipped += 1.0;
    else {
        row->images += mine->images;
        row->loss += mine->loss_sum;
        row->accuracy += mine->correct;
    }
    row->steps += mine->steps;
}

/* That this rank has sent in an average. */
static double count_bytes(const training *t)
{
    const job *j = t->job;
    const bool collected = j->rows && j->merge.aggregate.choice.rule->combine;
    const size_t n = j->model->n_weights + (j->variates.of ? j->model->n_trained : 0);
    if (collected && !transport_is_server())
        return (double)n * sizeof *j->w * t->roster.taken[transport_rank()];
    return (double)j->merge.average.rule->bytes(n, transport_rank(), transport_size(),
                                                transport_grouped());
}

static void add_segment(const training *t, record_rank *row)
{
    for (int slot = 0; slot < t->roster.taken[transport_rank()]; slot++)
        add_client(&t->mine[slot], row);
    row->bytes_sent += count_bytes(t);
}

static bool run_segment(training *t, uint64_t round, uint64_t segment, record_rank *row, error *err)
{
    job *j = t->job;
    memset(t->mine, 0, (size_t)t->roster.n_slots * sizeof *t->mine);
    if (transport_is_worker())
        clients_train(t, round, segment);
    t->mine[0].t_wait_s = segment > 0 ? t->t_wait_s : 0.0;
    if (!exchange(t, round, segment + 1 == j->course.segments, err))
        return false;
    if (t->decision->stop)
        return true;
    if (!check_divergence(t, round, err))
        return false;
    if (!end_segment(t, round, segment, err))
        return false;
    if (j->options->sync == SYNC_WEIGHTS)
        clients_forget_diverged(t);
    add_segment(t, row);
    if (transport_is_server()) {
        server_segment(t, segment);
        phases_enter(&t->phases, PHASE_OTHER);
    }
    return true;
}

/* ---- a round ------------------------------------------------------------------------------------- */

static void begin_round(training *t, uint64_t round)
{
    present_begin(&t->present, round);
    roster_draw(&t->roster, round);
    probe_begin(&t->job->probe, &t->job->worker);
    if (transport_is_server())
        server_begin_round(t);
    if (t->job->options->sync == SYNC_GRADIENTS && !t->job->options->keep_momentum)
        optimizer_forget(&t->job->descents[0].optimizer);
}

/* Sums over the segments become means; what the machine tells of itself. */
static void close_row(training *t, round_note *end)
{
    record_rank *row = &end->row;
    double images = row->images > 0.0 ? row->images : NAN;
    row->loss /= images;
    row->accuracy /= images;
    row->peak_rss_bytes = machine_peak_rss();
    sensors_take(row);
    end->t_wait_s = t->t_wait_s;
    phases_take(&t->phases, row->t_phase_s);
    end->t_own_s = clock_now() - t->t_ready_s;
}

/* What all go on from, by each client; the server gets all that its clients have come to. */
static void test_clients(training *t, uint64_t round)
{
    job *j = t->job;
    phases_enter(&t->phases, PHASE_EVALUATE);
    if (course_tests(&j->course, round))
        probe_all(&j->probe, &j->worker, j->w);
    phases_enter(&t->phases, PHASE_WAIT);
    probe_gather(&j->probe);
    phases_enter(&t->phases, PHASE_OTHER);
}

/* The rows go to the server, and what a run goes on from is kept: first what is each worker's own (saving.h). */
static void end_round(training *t, uint64_t round, round_note *end)
{
    if (t->job->probe.on)
        test_clients(t, round);
    close_row(t, end);
    saving_keep_own(&t->saving, round + 1);
    transport_gather(end, sizeof *end, t->ends, TRANSPORT_SLEEP);
    phases_enter(&t->phases, PHASE_OUTPUT);
    if (transport_is_server())
        server_round(t, round);
    saving_keep(&t->saving, round + 1, t->books.testing.round);
    if (t->decision->save)
        saving_begin(&t->saving);
    phases_enter(&t->phases, PHASE_OTHER);
}

bool round_run(training *t, uint64_t round, error *err)
{
    round_note end = {0};
    begin_round(t, round);
    for (uint64_t segment = 0; segment < t->job->course.segments; segment++) {
        if (!run_segment(t, round, segment, &end.row, err))
            return false;
        if (t->decision->stop)
            return true;
    }
    end_round(t, round, &end);
    return true;
}
