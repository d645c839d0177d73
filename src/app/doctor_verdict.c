#include "doctor.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const doctor_limits doctor_limit = {
    .behind = 0.15, /* a round waits for the slowest; two Pis of a kind differ by a few percent */
    .link_share = 0.5, /* a 100 Mbit/s port among gigabit ones shows as a tenth */
    .link_bytes =
        60e6 / 8, /* per second; two thirds of Fast Ethernet: wifi, a bad cable, a shared line */
    .latency_s = 1e-3,    /* wired Pis answer in 0.1 to 0.3 ms */
    .skew_s = 1.0,        /* make, NFS and logs go wrong by a second; Slurm's munge by minutes */
    .disk_bytes = 1e9,    /* a full system disk stops more than results */
    .memory_share = 0.05, /* left over when all is loaded: below, Linux begins to swap */
    .clock_share =
        0.9, /* while all cores compute; a throttled Pi 4 falls to 0.4 - 0.8 of its highest */
    .temperature_c = 80.0, /* a Pi slows down from there on */
    .cpu_share = 0.9,      /* of the time the threads asked for: below, others compute too */
    .rule_factor = 1.3,    /* the default rule against the fastest, before it is worth a word */
    .resolve_s = 2.0,      /* a name in a hosts file takes no time, a silent DNS server seconds */
};

void doctor_say(doctor *self, enum doctor_level level, const char *host, const char *format, ...)
{
    static const char *const names[] = {"ok", "note", "warning", "problem"};
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (self->n_findings == self->max_findings)
        self->n_findings--; /* there is room for more than ever come */
    doctor_finding *f = &self->findings[self->n_findings++];
    char *remedy = strchr(text, '\n');
    if (remedy)
        *remedy++ = '\0';
    snprintf(f->level, sizeof f->level, "%s", names[level]);
    snprintf(f->check, sizeof f->check, "%s", self->check);
    snprintf(f->host, sizeof f->host, "%s", host);
    snprintf(f->text, sizeof f->text, "%.255s", text);
    snprintf(f->remedy, sizeof f->remedy, "%.255s", remedy ? remedy : "");
    self->worst = level > self->worst ? level : self->worst;
}

/* ---- builds ---------------------------------------------------------------------------------------- */

static const char *text_of(const doctor *self, int rank, size_t offset)
{
    return (const char *)&self->hellos[rank] + offset;
}

static bool are_same(const doctor *self, int a, int b, size_t offset)
{
    return strcmp(text_of(self, a, offset), text_of(self, b, offset)) == 0;
}

/* What most ranks have: who differs from it is the odd one.  *differ: does anyone? */
static int rank_of_most(const doctor *self, size_t offset, bool *differ)
{
    int best = 0, n_best = 0;
    for (int a = 0; a < transport_size(); a++) {
        int n = 0;
        for (int b = 0; b < transport_size(); b++)
            n += are_same(self, a, b, offset);
        if (n > n_best) {
            best = a;
            n_best = n;
        }
    }
    *differ = n_best < transport_size();
    return best;
}

static bool compare_builds(doctor *self, enum doctor_level level, size_t offset, const char *what,
                           const char *remedy)
{
    bool differ;
    int most = rank_of_most(self, offset, &differ);
    for (int k = 0; k < transport_size(); k++) {
        bool is_new = !are_same(self, k, most, offset);
        for (int b = 0; b < k; b++)
            is_new = is_new && !(are_same(self, b, k, offset) &&
                                 are_same(self, b, k, offsetof(doctor_hello, host)));
        if (is_new)
            doctor_say(self, level, self->hellos[k].host, "%s is %s here, but %s on %s\n%s", what,
                       text_of(self, k, offset), text_of(self, most, offset),
                       self->hellos[most].host, remedy);
    }
    return differ;
}

void doctor_judge_builds(doctor *self)
{
    static const char copy[] =
        "put one build on all hosts: git pull && make, in the same folder there";
    size_t n = self->n_findings;
    bool is_one_layout = true, differs = false;
    self->check = "build";
    differs |=
        compare_builds(self, DOCTOR_PROBLEM, offsetof(doctor_hello, version), "bramble", copy);
    differs |=
        compare_builds(self, DOCTOR_NOTE, offsetof(doctor_hello, build), "the build",
                       "the weights are the same, the speed may not be: one PRESET everywhere");
    if (!differs) /* or of course the files differ */
        compare_builds(self, DOCTOR_WARNING, offsetof(doctor_hello, program),
                       "the program's checksum", copy);
    compare_builds(self, DOCTOR_WARNING, offsetof(doctor_hello, mpi), "MPI",
                   "the same release everywhere: sudo apt install openmpi-bin libopenmpi-dev");
    compare_builds(self, DOCTOR_NOTE, offsetof(doctor_hello, hdf5), "HDF5",
                   "nothing to do: the server alone writes files");
    for (int k = 1; k < transport_size() && is_one_layout; k++)
        is_one_layout = self->hellos[k].layout == self->hellos[0].layout;
    if (!is_one_layout)
        doctor_say(self, DOCTOR_PROBLEM, "",
                   "these builds do not understand each other: the look ends\n%s", copy);
    if (self->n_findings == n)
        doctor_say(self, DOCTOR_OK, "", "bramble %s, %s, %s everywhere", self->hellos[0].version,
                   self->hellos[0].mpi, self->hellos[0].hdf5);
}

/* ---- all of it --------------------------------------------------------------------------------------- */

size_t doctor_room(const doctor *self)
{
    size_t size = (size_t)transport_size();
    return 64 + size * (24 + size / 2) + self->n_links * 2;
}

static bool is_first_on_host(const doctor *self, int rank)
{
    for (int k = 0; k < self->n_hosts; k++)
        if (self->leaders[k] == rank)
            return true;
    return false;
}

void doctor_judge(doctor *self)
{
    for (const doctor_check *check = doctor_checks; check->name; check++) {
        size_t n = self->n_findings;
        if (check->min_hosts > self->n_hosts || check->min_ranks > transport_size())
            continue;
        self->check = check->name;
        for (int k = 0; k < (check->scope == DOCTOR_ONCE ? 1 : transport_size()); k++)
            if (check->scope != DOCTOR_EACH_HOST || is_first_on_host(self, k))
                check->judge(self, &self->nodes[k]);
        if (self->n_findings == n)
            doctor_say(self, DOCTOR_OK, "", "%s", check->fine);
    }
}
