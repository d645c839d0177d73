#include "parts.h"

#include <stdarg.h>
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

size_t doctor_room(const doctor *self)
{
    size_t size = (size_t)transport_size();
    return 64 + size * (24 + size / 2) + self->n_links * 2;
}

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
