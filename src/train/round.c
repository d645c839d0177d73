#include "round.h"

#include "host/machine.h"
#include "host/sensors.h"
#include "kernels/update.h"
#include "server.h"
#include "shown.h"

#include <math.h>
#include <stddef.h>

/* ---- a segment ----------------------------------------------------------------------------------- */

/* After each step of mine. */
static void step_done(void *arg, const segment_note *mine)
{
    training *t = arg;
    stall_send(&t->stall, PHASE_TRAIN);
    present_send(&t->present, mine->images);
    if (transport_is_server())
        shown_present(t);
}

/* Gather the notes, while the server tests; broadcast its decision and all notes. */
static bool exchange(training *t, const segment_note *mine, uint64_t round, bool last, error *err)
{
    const bool serves = transport_is_server();
    size_t n_bytes = sizeof *t->decision + (size_t)transport_size() * sizeof *mine;
    phases_enter(&t->phases, PHASE_WAIT);
    double since_s = clock_now();
    if (serves)
        stall_begin(&t->stall);
    transport_gather_working(mine, sizeof *mine, t->notes, serves ? server_test_some : NULL, t);
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

/* May training go on without those whose weights are no longer finite? */
static bool check_divergence(const training *t, uint64_t round, error *err)
{
    const record_machine *machines = t->job->server.machines;
    const int least = aggregate_least(&t->job->merge.aggregate.choice);
    int n_diverged = 0;
    for (int k = 0; k < transport_size(); k++)
        n_diverged += t->notes[k].diverged != 0;
    if (n_diverged == 0 || (t->job->options->on_nan == ON_NAN_SKIP &&
                            t->job->course.participants - n_diverged >= least))
        return true;
    for (int k = 0; k < transport_size(); k++)
        if (t->notes[k].diverged)
            return error_user(
                err,
                "round %llu, rank %d on %s: the weights%s%s are no longer finite or far too "
                "large, training has diverged: choose a smaller --lr",
                (unsigned long long)round + 1, k, machines ? machines[k].host : "",
                t->notes[k].layer[0] ? " of layer " : "", t->notes[k].layer);
    return true;
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
    for (int k = 0; k < transport_size(); k++) {
        const double images = t->weights[k], way = t->notes[k].way;
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
    for (int k = 0; k < transport_size(); k++)
        if (t->weights[k] > 0.0)
            t->weights[k] /= t->notes[k].way;
    return ways / total * (shares / total);
}

/* Before the average takes this rank's own away. */
static double take_variates(training *t)
{
    job *j = t->job;
    const variates_round mine = {j->merge.before, j->w, t->notes[transport_rank()].way,
                                 j->descent.optimizer.epoch};
    return j->variates.of ? variates_take(&j->variates, &mine, t->weights) : 0.0;
}

/* Everyone's weights become their mean, by images seen, and what the outer rule makes of it. */
static double average_weights(training *t, uint64_t round, uint64_t segment)
{
    job *j = t->job;
    const double t_wire_s = take_variates(t);
    const merge_shares shares = {t->weights, j->options->normalize_steps ? normalize(t) : 1.0,
                                 t->notes[transport_rank()].diverged != 0};
    return t_wire_s + merge_weights(&j->merge, j->w, &shares, round * j->course.segments + segment);
}

/* Everyone takes the same step, by the mean of the gradients. */
static double average_gradients(training *t)
{
    job *j = t->job;
    float largest = 0.0F;
    for (int k = 0; k < transport_size(); k++)
        if (t->weights[k] > 0.0)
            largest = fmaxf(largest, t->notes[k].largest);
    return merge_gradients(&j->merge, j->g, j->model->n_trained, largest, t->weights);
}

static bool take_step(training *t, uint64_t round, uint64_t segment, error *err)
{
    job *j = t->job;
    uint64_t take;
    phases_enter(&t->phases, transport_is_worker() ? PHASE_TRAIN : PHASE_SERVE);
    descent_step(&j->descent, j->w, j->g, j->with.n_threads);
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
    for (int k = 0; k < transport_size(); k++) {
        t->weights[k] = share_of(t, &t->notes[k]);
        present_note(&t->present, k, t->notes[k].images);
    }
    double t_wire_s = gradients ? average_gradients(t) : average_weights(t, round, segment);
    phases_enter(&t->phases, transport_is_server() ? PHASE_SERVE : PHASE_OTHER);
    phases_move(&t->phases, PHASE_PACK, PHASE_WIRE, t_wire_s);
    bool good = !gradients || take_step(t, round, segment, err);
    t->t_average_s = clock_now();
    return good;
}

/* A segment in this rank's row. */
static void add_segment(const job *j, const segment_note *mine, record_rank *row)
{
    if (mine->diverged)
        row->skipped += 1.0;
    else {
        row->images += mine->images;
        row->loss += mine->loss_sum;
        row->accuracy += mine->correct;
    }
    row->steps += mine->steps;
    const size_t n = j->model->n_weights + (j->variates.of ? j->model->n_trained : 0);
    row->bytes_sent += (double)j->merge.average.rule->bytes(n, transport_rank(), transport_size());
}

static bool run_segment(training *t, uint64_t round, uint64_t segment, record_rank *row, error *err)
{
    job *j = t->job;
    segment_note mine = {.t_wait_s = segment > 0 ? t->t_wait_s : 0.0};
    if (transport_is_worker() && course_takes_part(&j->course, j->worker.number, round))
        worker_train(&j->worker, &t->phases, segment, &mine, step_done, t);
    else if (transport_is_worker())
        worker_skip(&j->worker, segment);
    if (!exchange(t, &mine, round, segment + 1 == j->course.segments, err))
        return false;
    if (t->decision->stop)
        return true;
    if (!check_divergence(t, round, err))
        return false;
    if (!end_segment(t, round, segment, err))
        return false;
    if (mine.diverged && j->options->sync == SYNC_WEIGHTS) /* it begins anew with the others' */
        optimizer_forget(&j->descent.optimizer);
    add_segment(j, &mine, row);
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
    if (transport_is_server())
        server_begin_round(t);
    if (t->job->g && !t->job->options->keep_momentum) /* it takes steps */
        optimizer_forget(&t->job->descent.optimizer);
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

/* The rows go to the server, and what a run goes on from is kept: first what is each worker's own (saving.h). */
static void end_round(training *t, uint64_t round, round_note *end)
{
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
