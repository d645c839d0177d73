/*
 * parts.h - what the files of this room have from each other
 *
 * doctor.c leads through the look, node.c looks at a node, links.c at what is between nodes, checks.c and
 * threads.c judge, builds.c compares versions, findings.c has what judging takes; report.c prints and stores.
 */
#ifndef BRAMBLE_DOCTOR_PARTS_H
#define BRAMBLE_DOCTOR_PARTS_H

#include "doctor/doctor.h"

/* Where a figure turns into a finding; findings.c says why there. */
typedef struct doctor_limits {
    double behind, link_share, link_bytes, latency_s, skew_s, disk_bytes, memory_share, clock_share,
        temperature_c, cpu_share, rule_factor, resolve_s;
} doctor_limits;
extern const doctor_limits doctor_limit;

/* A check: called for all nodes it is about, it says what it finds; "ok" is said when it finds nothing. */
typedef struct doctor_check {
    const char *name;
    void (*judge)(doctor *self, doctor_node *node);
    enum { DOCTOR_ONCE, DOCTOR_EACH_HOST, DOCTOR_EACH_RANK } scope; /* once: node is the server's */
    int min_hosts, min_ranks;                                       /* else it makes no sense */
    const char *fine;
} doctor_check;

/* doctor_checks - all of them, in the order of the report, ended by one without a name (checks.c) */
extern const doctor_check doctor_checks[];

/* Checks of threads against cores and CPU quota (threads.c). */
void doctor_judge_binding(doctor *self, doctor_node *node);
void doctor_judge_quota(doctor *self, doctor_node *node);

/* doctor_judge_instructions - a check of what the workers compute with (builds.c) */
void doctor_judge_instructions(doctor *self, doctor_node *server);

/* doctor_say - add a finding of the present check: "what was found", or "what was found\nwhat to do" */
void doctor_say(doctor *self, enum doctor_level level, const char *host, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * doctor_look - everything about this rank's node that costs no time: sensors, memory, disk, names, model
 * doctor_measure - threads, peak, training rate and sensors under load; all nodes at the same time
 * Collective.  A failure of this node is noted in mine.failure.
 */
void doctor_look(doctor *self);
void doctor_measure(doctor *self);

/*
 * doctor_link_hosts - clock skew, latency and bandwidth between hosts, one pair at a time; the interfaces
 * doctor_time_averages - each averaging rule on the model's weights
 * Collective.  false with err (environment: memory), the same on all ranks.
 */
bool doctor_link_hosts(doctor *self, error *err);
bool doctor_time_averages(doctor *self, error *err);

/* doctor_has_word - is the word one of a list with commas?  "eth0" is none of "veth0" */
bool doctor_has_word(const char *list, const char *word);

/*
 * doctor_judge_builds - versions alone, from the hellos; doctor_judge - all the rest
 * On the server.  findings has room for all (doctor_room).
 */
size_t doctor_room(const doctor *self);
void doctor_judge_builds(doctor *self);
void doctor_judge(doctor *self);

/* doctor_print - text or JSON on stdout; doctor_store - the file of --out.  On the server; false with err. */
bool doctor_print(const doctor *self, error *err);
bool doctor_store(const doctor *self, error *err);

#endif
