/*
 * doctor.h - what `bramble doctor` finds out, and what it says about it; for src/app/doctor*.c alone
 *
 * doctor.c runs the command, doctor_node.c looks at a node, doctor_links.c at what is between nodes,
 * doctor_checks.c and doctor_threads.c judge, doctor_verdict.c has what that takes, and compares builds; doctor_report.c prints and stores.
 */
#ifndef BRAMBLE_APP_DOCTOR_H
#define BRAMBLE_APP_DOCTOR_H

#include "app/options.h"
#include "base/error.h"
#include "kernels/team.h"
#include "model/model.h"
#include "transport/transport.h"

#include <stdint.h>

/* What every rank says first, in a form that never changes: builds of any version understand it. */
typedef struct doctor_hello {
    uint32_t layout; /* of doctor_node; builds with another go no further */
    char host[64], version[32], mpi[64], hdf5[32], build[64], program[16];
} doctor_hello;

/* What was found on the node of a rank.  NaN, -1 and "": not known. */
typedef struct doctor_node {
    char host[64];
    int32_t rank, is_server, is_worker;
    int32_t threads;         /* asked for */
    int32_t threads_running; /* that OpenMP started */
    int32_t threads_apart;   /* different cores they were seen on */
    int32_t cores, host_cores;
    char binding[64];
    char model_sum[16]; /* checksum of the model file as this host finds it */
    char governor[32];
    double clock_mhz, clock_max_mhz; /* the first while all cores compute */
    double temperature_c, throttled;
    double memory_bytes, memory_available_bytes, memory_needed_bytes;
    double disk_free_bytes, disk_needed_bytes; /* the server's */
    double quota_cores, cpu_fraction; /* allowed; CPU time / (wall time x threads) while training */
    double peak_flops, images_per_s, behind; /* behind: the median, as a share of it */
    double skew_s, skew_error_s;             /* clock of the host against the server's */
    char interfaces[64], suspects[64];       /* that carry MPI's messages; that might by mistake */
    char unresolved[64], loops[64]; /* first host whose name is unknown here, or is this host */
    double t_resolve_s;             /* to look up all names */
    /* not stored: */
    uint64_t mask[TEAM_MAX_CORES / 64];
    int32_t limit;     /* threads that OpenMP starts at most */
    char left_out[80]; /* variables that it was started anew without: launch_left_out */
    char failure[192]; /* why it could not be measured */
} doctor_node;

/* One direction between two hosts; each measured by the first rank there. */
typedef struct doctor_link {
    char from[64], to[64];
    int32_t from_rank, to_rank;
    double latency_s, bytes_per_s;
} doctor_link;

typedef struct doctor_average {
    char rule[16];
    double t_average_s; /* the best of a few, of the slowest rank */
} doctor_average;

enum doctor_level { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_PROBLEM };

typedef struct doctor_finding {
    char level[8], check[16], host[64]; /* host: "" for all */
    char text[256], remedy[256];        /* what; what to do */
} doctor_finding;

enum { DOCTOR_MAX_RULES = 8 };

typedef struct doctor {
    doctor_options options;
    model *model;
    char *model_text;
    uint64_t n_train, n_test; /* images the memory is meant for */
    bool has_data;
    char no_data[256];  /* why not */
    char no_folder[64]; /* why nothing can be written in the results' folder; "": it can */
    int n_threads;

    doctor_hello *hellos; /* of all ranks, on all ranks */
    int *leaders;         /* first rank of each host */
    int n_hosts;
    bool leads; /* this rank is one of them */
    doctor_node mine;

    doctor_average averages[DOCTOR_MAX_RULES];
    size_t n_averages;

    /* the server's */
    doctor_node *nodes;
    doctor_link *links;
    size_t n_links;
    doctor_finding *findings;
    size_t n_findings, max_findings;
    const char *check; /* the one that is being made */
    enum doctor_level worst;
} doctor;

/* Where a figure turns into a finding; doctor_verdict.c says why there. */
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

/* doctor_checks - all of them, in the order of the report, ended by one without a name (doctor_checks.c) */
extern const doctor_check doctor_checks[];

/* Checks of threads against cores and CPU quota (doctor_threads.c). */
void doctor_judge_binding(doctor *self, doctor_node *node);
void doctor_judge_quota(doctor *self, doctor_node *node);

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
