/*
 * fit.h - where the time of measured runs went, as a model that can be asked about other clusters
 *
 * A run trains on I images with N workers of c cores each and averages n weights A times.  Its wall time is
 *
 *   T = work + wait + A * (serve + wire + pack)
 *   work   I / N * w / c^e   w: seconds per image on one core; e = 1 unless runs with other c tell it.
 *                            A run weighs 1 / (d^2 + 0.01) in w, d = ln(its c / c asked for): the power
 *                            law need hold nearby only
 *   wait   work * v * M(N)   for the slowest worker: M(N) is the expected maximum of N standard normal
 *                            draws, v the relative deviation of the workers' work between two averages
 *   serve  s0 + s1 * K       messages before and after an average, the server's decision, bookkeeping; K: N, at most 15: more
 *                            agree by way of the server, along trees (docs/plan.md)
 *   wire   a * m + b * B     m messages one after the other and B bytes, on the busiest link
 *   pack   p * adds          to and from fixed point and sums, on the busiest rank
 *
 * The rules tell m, B and adds (average_rule, include/transport/average.h):
 *
 *   rule       B                                        m                  adds
 *   gather     N x + M x                                N + M              N n
 *   reduce     2 x log2(N+1) + M x                      M + k log2(N+1)    n (1 + log2(N+1))
 *   allreduce  4 x (1 - 1/P), and 4 x if P != N+1       2 log2(P), and 3   n (1 + log2(N+1))
 *   slices     what a worker sends (average_rule)       2 N                n
 *   tree       2 x log2(G) + M x, and allreduce of N/G  M + k log2(G), too n (1 + log2(G) + log2(N/G+1))
 *   x: the weights as floats; log2 rounded up: the depth of a tree; k: blocks of 16384 weights; M: N, of tree G - 1, at
 *   most 8 or 1.5 log2 of one more; P: the largest power of two up to N+1; G: workers of a group, N/G rounded up,
 *   log2(G) of its other G - 1 and their leader.  One worker alone: x, 1 and 0, and its weights only go to the server.
 *
 * Wait, wire and pack are fitted to runs with two or more workers.
 * All parameters are at least 0, by least squares, each squared error divided by what was measured.  Where
 * there is one number of workers only, s1 is 0.  Gather alone cannot tell a from b: then b is what the link
 * takes (its speed has to be known), as far as that is no more than was measured.
 * It assumes: equal nodes and equal shards; v does not depend on how much is done between averages; the
 * server is a host of its own; a switch that lets all links run at full speed.
 * Sources: max of normals, H. A. David and H. N. Nagaraja, Order Statistics, 2003; latency and bandwidth, R. W.
 * Hockney, Parallel Computing 20, 1994; collectives as trees, R. Thakur et al., IJHPCA 19(1), 2005.
 */
#ifndef BRAMBLE_STUDY_FIT_H
#define BRAMBLE_STUDY_FIT_H

#include "base/error.h"
#include "options/options.h"
#include "record/record.h"
#include "transport/average.h"

#include <stdbool.h>
#include <stddef.h>

enum { FIT_BLOCKS = 32 };

/* Some rounds of a run: sums over the rounds; times (s) are means over the workers. */
typedef struct fit_block {
    double images, averages;
    double t_s; /* wall */
    double work_s, wait_s, wire_s, pack_s;
    double rest_s;        /* wall time in none of these */
    double server_pack_s; /* of the server */
} fit_block;

/* fit_block_add - sum += one */
void fit_block_add(fit_block *sum, const fit_block *one);

/* A measured run. */
typedef struct fit_run {
    const char *path; /* the caller's */
    int nodes;
    double cores; /* of a worker */
    const average_rule *rule;
    int group;           /* workers of a group, as asked for or on one host; 0: the rule chooses */
    char host[64];       /* of all its ranks; empty: they had several, with links between */
    char simulated[256]; /* record_simulated */
    size_t n_weights;
    double images, epochs, rounds;
    double steps; /* between two averages, when an option says so; else 0 */
    double batch;
    double node_cv, round_cv; /* deviation of the workers' work per image; NaN for a single one */
    size_t n_blocks;
    fit_block blocks[FIT_BLOCKS];
} fit_run;

/*
 * fit_run_read - a run as the model needs it
 * Returns false with err (user): a rule that is unknown, rounds without times (other workers after a break).  Not
 * collective.
 */
bool fit_run_read(fit_run *self, const record_file *file, error *err);

/* What is asked about; link_ratio: speed of the links against the measured ones. */
typedef struct fit_case {
    int nodes;
    double cores;
    const average_rule *rule;
    size_t n_weights;
    double images, averages;
    double link_ratio;
    int group; /* as in fit_run */
} fit_case;

/* T in parts (s). */
typedef struct fit_time {
    double t_s, work_s, wait_s, serve_s, wire_s, pack_s;
} fit_time;

/* The model's parameters: see above. */
typedef struct fit {
    double w_s, power;
    double spread;
    double serve_s[2];
    double message_s, byte_s, link_byte_s; /* the last: the part of byte_s that is the link's */
    double add_s;
} fit;

/* A run and the blocks of it that count, summed up. */
typedef struct fit_sample {
    const fit_run *run;
    fit_block sum;
} fit_sample;

/*
 * fit_sample_all - all of a run
 * fit_sample_draw - one of the n runs of the same case and rule as runs[like], and blocks drawn from it, with
 *                   replacement (bootstrap); a function of `number` alone
 */
void fit_sample_all(fit_sample *self, const fit_run *run);
void fit_sample_draw(fit_sample *self, const fit_run *runs, size_t n, size_t like, uint64_t number);

/*
 * fit_make - the parameters that suit the samples (at least one)
 *   cores   in  of a node, that will be asked about
 *   link_s  in  seconds a byte takes on a measured link; infinite: there was none, all is the bytes'
 * A parameter no sample tells of (a single worker does not wait) is 0.  Not collective.
 */
void fit_make(fit *self, const fit_sample *samples, size_t n, double cores, double link_s);

/* fit_predict - the time of a case with 1 to PLAN_NODES workers */
fit_time fit_predict(const fit *self, const fit_case *c);

/* fit_slowest - expected maximum of n standard normal draws */
double fit_slowest(int n);

#endif
