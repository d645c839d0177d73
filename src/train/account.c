#include "account.h"

#include "transport/transport.h"

#include <math.h>

static double shortest_wait(const account *self, int rank, double t_wait_s, double shortest_s)
{
    return self->machines[rank].is_worker ? fmin(t_wait_s, shortest_s) : shortest_s;
}

double account_time(const round_note *ends, double t_s)
{
    for (int k = 0; k < transport_size() && transport_size() > 1; k++)
        t_s = fmax(t_s, ends[k].t_own_s);
    return t_s;
}

void account_segment(account *self, const segment_note *notes, const roster *who,
                     record_round *round)
{
    double last_s = INFINITY;
    for (int k = 0; k < transport_size(); k++)
        last_s = shortest_wait(self, k, notes[k * who->n_slots].t_wait_s, last_s);
    for (int i = 0; i < who->n; i++) {
        const segment_note *n = &notes[roster_at(who, i)];
        if (n->diverged)
            continue;
        round->images += n->images;
        round->loss += n->loss_sum;
        round->accuracy += n->correct;
        if (n->lr > 0.0)
            round->lr = n->lr;
    }
    self->t_serve_s += last_s;
}

void account_clients(const segment_note *notes, const roster *who, record_client_round *rows)
{
    for (int i = 0; i < who->n; i++) {
        const segment_note *n = &notes[roster_at(who, i)];
        record_client_round *row = &rows[who->places[i].client];
        row->steps += n->steps;
        if (n->diverged)
            continue;
        row->images += n->images;
        row->loss += n->loss_sum;
        row->accuracy += n->correct;
    }
}

void account_round(account *self, const round_note *ends, record_rank *rows, record_round *round)
{
    double last_s = INFINITY;
    for (int k = 0; k < transport_size(); k++)
        last_s = shortest_wait(self, k, ends[k].t_wait_s, last_s);
    double t_serve_s = self->t_serve_s + last_s;
    self->t_serve_s = 0.0;
    for (int k = 0; k < transport_size(); k++) {
        rows[k] = ends[k].row;
        self->bytes_sent += rows[k].bytes_sent;
        if (!self->machines[k].is_worker)
            continue;
        rows[k].t_phase_s[PHASE_WAIT] -= t_serve_s;
        rows[k].t_phase_s[PHASE_SERVE] += t_serve_s;
        for (int p = 0; p < PHASE_COUNT; p++)
            self->t_phase_s[p] += rows[k].t_phase_s[p] / transport_workers();
    }
    self->images += round->images;
    round->loss /= round->images;
    round->accuracy /= round->images;
}

/* Who trained in a round was a worker of it; who was not there has NaN. */
static void add_past_round(account *self, const record_rank *rows, size_t n)
{
    double n_workers = 0.0;
    for (size_t k = 0; k < n; k++) {
        n_workers += rows[k].steps > 0.0;
        if (isfinite(rows[k].bytes_sent))
            self->bytes_sent += rows[k].bytes_sent;
    }
    for (size_t k = 0; k < n; k++)
        for (int p = 0; p < PHASE_COUNT && rows[k].steps > 0.0; p++)
            self->t_phase_s[p] += rows[k].t_phase_s[p] / n_workers;
}

void account_past(account *self, const record_file *past)
{
    for (size_t i = 0; i < past->n_rounds; i++) {
        self->images += past->rounds[i].images;
        add_past_round(self, past->ranks + i * past->n_ranks, past->n_ranks);
    }
}

void account_summarize(const account *self, record_summary *s)
{
    const double *t_s = self->t_phase_s;
    s->w_time_s = t_s[PHASE_TRAIN] + t_s[PHASE_INPUT];
    s->o_time_s = s->t_time_s - s->w_time_s;
    s->work_fraction = s->w_time_s / s->t_time_s;
    s->overhead_fraction = s->o_time_s / s->t_time_s;
    s->o_pack_s = t_s[PHASE_PACK];
    s->o_wire_s = t_s[PHASE_WIRE];
    s->o_wait_s = t_s[PHASE_WAIT];
    s->o_serve_s = t_s[PHASE_SERVE];
    s->o_other_s = s->o_time_s - s->o_pack_s - s->o_wire_s - s->o_wait_s - s->o_serve_s;
    s->speedup = NAN;
    s->images_per_s = self->images / s->t_time_s;
    s->bytes_sent = self->bytes_sent;
    s->repeats = 1.0;
    s->nodes = (double)transport_workers();
    s->cores = 0.0;
    for (int k = 0; k < transport_size(); k++)
        if (self->machines[k].is_worker)
            s->cores += self->machines[k].threads;
}
