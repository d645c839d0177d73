/*
 * doctor.h - a look at a cluster: what stands on its nodes and between them, measured and judged
 *
 * All ranks meet, examine and conclude, one after the other.  src/doctor/parts.h tells who does what.
 */
#ifndef BRAMBLE_DOCTOR_DOCTOR_H
#define BRAMBLE_DOCTOR_DOCTOR_H

#include "base/error.h"
#include "engine/engine.h"
#include "kernels/team.h"
#include "model/model.h"
#include "options/options.h"
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
    char simd[16];      /* instruction set it computes with */
    int32_t fused;      /* has it fused multiply-adds? */
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
    char left_out[80]; /* variables that it was started anew without: unbind_left_out */
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
    computing with;

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

/*
 * doctor_meet - everybody's hello to everybody, in a form that never changes
 * Returns whether all ranks have builds that understand each other; where not, doctor_examine is left out.
 * Collective.
 */
bool doctor_meet(doctor *self);

/*
 * doctor_examine - look at every node, measure, and gather it on the server; self->options say what is asked for
 * false with err, the same on every rank: a model or file that cannot be used (user), memory (environment).
 * Collective.
 */
bool doctor_examine(doctor *self, error *err);

/*
 * doctor_conclude - the server judges, prints, and stores where --out asks for it
 *   err  inout  on the server: a failure of that; where there is one already nothing is printed
 * Returns on every rank whether no problem was found.  Collective.
 */
bool doctor_conclude(doctor *self, error *err);

/* doctor_release - free everything, also after a failure.  Not collective. */
void doctor_release(doctor *self);

#endif
