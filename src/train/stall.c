#include "stall.h"

#include "base/memory.h"
#include "transport/transport.h"

#include <stdio.h>

enum { WORD = 1 << 16 /* plus a phase; smaller words are signals */ };

struct stall_rank {
    double t_heard_s;
    enum phase phase;
    bool reported;
    record_stall row;
};

bool stall_init(stall *self, double limit_s, error *err)
{
    *self = (stall){.limit_s = limit_s, .t_sent_s = clock_now()};
    if (transport_is_server())
        self->ranks = memory_new((size_t)transport_size(), sizeof *self->ranks, err);
    return err->kind == ERROR_NONE;
}

void stall_release(stall *self)
{
    memory_free(self->ranks);
}

void stall_send(stall *self, enum phase phase)
{
    double now = clock_now();
    if (self->limit_s > 0.0 && now - self->t_sent_s >= self->limit_s / 4 &&
        transport_send_word(WORD + (int64_t)phase))
        self->t_sent_s = now;
}

bool stall_received(stall *self, int rank, int64_t word)
{
    if (word < WORD || word >= WORD + PHASE_COUNT)
        return false;
    self->ranks[rank].t_heard_s = clock_now();
    self->ranks[rank].phase = (enum phase)(word - WORD);
    return true;
}

void stall_begin(stall *self)
{
    self->t_since_s = self->t_looked_s = clock_now();
    for (int r = 0; r < transport_size(); r++)
        self->ranks[r].phase = PHASE_TRAIN;
}

static double silence(const stall *self, int rank, double now)
{
    double heard_s = self->ranks[rank].t_heard_s;
    return now - (heard_s > self->t_since_s ? heard_s : self->t_since_s);
}

static bool report(stall *self, int rank, const char *host, uint64_t round, double t_s, record *to,
                   error *err)
{
    struct stall_rank *one = &self->ranks[rank];
    one->reported = true;
    one->row.n++;
    one->row.round = (double)round;
    one->row.t_s = t_s;
    snprintf(one->row.phase, sizeof one->row.phase, "%s", phase_name(one->phase));
    fprintf(
        stderr,
        "bramble: warning: rank %d on %s has shown no progress for %.0f s, in round %llu, phase "
        "%s\n",
        rank, host, t_s, (unsigned long long)round + 1, one->row.phase);
    return record_add_stall(to, (size_t)rank, &one->row, err) && record_sync(to, err);
}

bool stall_look(stall *self, const record_machine *hosts, uint64_t round, record *to, error *err)
{
    double now = clock_now();
    if (self->limit_s <= 0.0)
        return true;
    if (now - self->t_looked_s > self->limit_s / 2) /* I was away myself */
        self->t_since_s = now;
    self->t_looked_s = now;
    for (int r = 1; r < transport_size(); r++) {
        struct stall_rank *one = &self->ranks[r];
        double t_s = silence(self, r, now);
        if (!one->reported && t_s >= self->limit_s &&
            !report(self, r, hosts[r].host, round, t_s, to, err))
            return false;
        if (one->reported && t_s < self->limit_s) {
            one->reported = false;
            fprintf(stderr, "bramble: rank %d on %s goes on\n", r, hosts[r].host);
        }
    }
    return true;
}
