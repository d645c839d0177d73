/*
 * transport.h - everything Bramble says between ranks
 *
 * Two implementations stand behind this header and are chosen when linking: src/transport/mpi*.c,
 * the only code that knows <mpi.h>, and src/transport/serial.c, one rank and no MPI.
 *
 * Rank 0 is the server, ranks 1 .. size - 1 are the workers; a single rank is both.  Unless a function
 * says otherwise a failure of MPI ends the job with one line and status 1: there is no error to handle.
 */
#ifndef BRAMBLE_TRANSPORT_TRANSPORT_H
#define BRAMBLE_TRANSPORT_TRANSPORT_H

#include "base/clock.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* transport_start - join the job; must come first.  Collective.  (MPI_THREAD_FUNNELED) */
void transport_start(int *argc, char ***argv);

/* transport_stop - leave the job; nothing of this header may be called afterwards.  Collective. */
void transport_stop(void);

/* transport_abort - print err and end all ranks at once with its status.  Not collective; no return. */
void transport_abort(const error *err) __attribute__((noreturn));

int transport_rank(void);       /* of this process, 0 .. size - 1 */
int transport_size(void);       /* how many ranks there are */
bool transport_is_server(void); /* rank 0 */
bool transport_is_worker(void); /* any other rank, or the only one */
int transport_workers(void);    /* how many: max(1, size - 1) */
int transport_worker(void);     /* 0-based number of this worker; -1 on a server that is none */

/* transport_host - this rank's host name; known before transport_start, too */
const char *transport_host(void);

/* transport_local - how many ranks share this rank's host (itself included), and its number among them */
void transport_local(int *n_ranks, int *number);

/* transport_version - name and version of the MPI library, one line; "none" for the serial
 * twin; known before transport_start, too */
const char *transport_version(void);

/*
 * transport_greet - a byte from everyone to everyone, the first of a job, in a form that never changes
 * Ends the job (status 2) when another rank begins with something else: another command, or a build that does
 * not greet.  Collective.
 */
void transport_greet(void);

/*
 * transport_agree - do all ranks still want to go on?
 *   err  inout  this rank's failure or, kind ERROR_NONE, its consent
 * Returns true on every rank, or false on every rank when any has failed; then err is, everywhere, the
 * failure of the lowest such rank (worst status wins nothing: lowest rank).  Prints nothing.
 * Collective.
 */
bool transport_agree(error *err);

/* transport_broadcast - copy n bytes from the server to everyone; any size.  Who waits for others
 * sleeps, here and in all of this header but the averaging.  Collective. */
void transport_broadcast(void *data, size_t n_bytes);

/*
 * transport_broadcast_text - give every rank the server's NUL-terminated string
 * Returns on the server the text given, elsewhere a new string to be released with memory_free.
 * Collective.
 */
char *transport_broadcast_text(char *text);

/* transport_send, transport_receive - n bytes from the server to one other rank, in order; any
 * size.  Not collective, but each send needs its receive; the job ends when their sizes differ. */
void transport_send(const void *data, size_t n_bytes, int rank);
void transport_receive(void *data, size_t n_bytes);

/* transport_pass, transport_take - n bytes (any number) from this rank to another, and from another to this
 * one, in order.  At full speed, without sleeping: for two ranks that have just met (transport_meet).  Not
 * collective, but each pass needs its take, with the same n. */
void transport_pass(const void *data, size_t n_bytes, int to);
void transport_take(void *data, size_t n_bytes, int from);

/* transport_gather - n bytes (below 2^30) from each rank, in rank order, to the server (all:
 * size * n bytes there, NULL elsewhere).  Collective. */
void transport_gather(const void *mine, size_t n_bytes, void *all);

/*
 * transport_meet - wait until all ranks are here, sleeping, and exchange a small record on the way
 *   mine  in   n_bytes (at most 4096), the same on all ranks
 *   all   out  size * n_bytes, in rank order, on every rank
 * A rank that waits looks in ever longer intervals (a sixteenth of the time already waited, from
 * 20 us to 1 ms, later a 256th of it, up to 4 ms), so it uses hardly any CPU; it never spins.
 * Collective.  The caller charges the time.
 */
void transport_meet(const void *mine, size_t n_bytes, void *all);

/*
 * transport_collect - a small record from every rank to the server
 *   mine  in   n_bytes (at most 4096), the same on all ranks
 *   all   out  on the server size * n_bytes, in rank order; untouched elsewhere
 *   idle  in   on the server: called while records are missing, as long as it returns true (it did some
 *              work); when it has nothing to do, and where it is NULL, the server sleeps as in
 *              transport_meet
 * Workers go on as soon as their record is on its way.  Collective.
 */
typedef bool transport_idle(void *arg);
void transport_collect(const void *mine, size_t n_bytes, void *all, transport_idle *idle,
                       void *arg);

/* transport_announce - copy n bytes from the server to everyone; who is early sleeps, the server does not
 * wait for anybody.  Collective. */
void transport_announce(void *data, size_t n_bytes);

/* transport_progress - let pending messages move on; call it now and then during long computations.
 * Not collective. */
void transport_progress(void);

/*
 * transport_call_stop - the server tells all workers to cut the present round short
 * transport_stop_called - whether it did; costs 1 us, 5 us over TCP.  Stays true until
 *                         transport_clear_stop, which everyone calls once, when the rounds are over.
 * Call_stop is the server's alone, at most once between two clears.  After a transport_meet that
 * comes behind it all ranks agree on stop_called; without one a worker may never hear of it.
 */
void transport_call_stop(void);
bool transport_stop_called(void);
void transport_clear_stop(void);

/*
 * transport_tell - a worker sends the server a number, unasked; it arrives while the server looks
 *   Returns false when the number before has not left yet; nothing is sent then.  True on a server.
 * transport_heard - the server: take the next number told, and who told it; false when there is none
 * Neither waits.  Not collective.
 */
bool transport_tell(int64_t word);
bool transport_heard(int *rank, int64_t *word);

/*
 * transport_on_wait - have a function called again and again while this rank sleeps in a wait; NULL: none
 * It must not wait itself, nor call anything collective.
 */
typedef void transport_hook(void *arg);
void transport_on_wait(transport_hook *hook, void *arg);

/* ---- ranks that die -------------------------------------------------------------------------------- */

/* transport_guards - can a rank die without taking the others with it?  Needs an MPI that does fault
 * tolerance (ULFM: Bland et al., "Post-failure recovery of MPI communication capability", IJHPCA 27, 2013)
 * at compile time, and asked for when the job starts (Open MPI 5: mpirun --with-ft ulfm). */
bool transport_guards(void);

/*
 * transport_guard - call body(arg); where transport_guards, come back early when another rank dies
 *   lost  out  NULL, or a text that names who died; memory_free it
 * Returns true on all ranks when body has come to its end on all of them, else false on all that are left.  Then
 * body was left for good inside a call to this header: what it held is not released, what was on its way
 * is lost, and rank, size and worker number are those of a smaller job.  Rank 0 stays rank 0: when it
 * dies the job ends.  Body must not call MPI from threads.  Collective.
 */
typedef void transport_body(void *arg);
bool transport_guard(transport_body *body, void *arg, char **lost);

/* ---- averaging --------------------------------------------------------------------------------- */

/*
 * An averaging rule moves the numbers.  All rules add 64-bit fixed-point numbers, w[i] * share * 2^40
 * rounded to nearest, so that the sum is exact in any order and all rules give the same bits.
 */
typedef struct average_rule {
    const char *name;  /* "gather" */
    const char *about; /* one line for --help */
    /*
     * average - replace w on every rank by the sum over the ranks of shares[rank] * w
     *   n        in   at most 2^26: longer vectors come in pieces
     *   shares   in   `size` of them, the same on all ranks, adding up to 1; where it is 0 the
     *                 rank's w is ignored
     *   scratch  out  room for n 64-bit integers or, if that is more, n floats of each rank
     * Collective.
     */
    void (*average)(float *w, size_t n, const double *shares, void *scratch);
    /* bytes - payload a rank sends in one average of n floats, for the record; a broadcast counts
     * once for each receiver, whatever tree it takes; the server's share is taken as 0 */
    size_t (*bytes)(size_t n, int rank, int size);
} average_rule;

/* average_rules - all of them, NULL-terminated; average_rule_find - by name, or NULL */
extern const average_rule *const average_rules[];
const average_rule *average_rule_find(const char *name);

/* average_scratch_bytes - memory any rule needs for n floats on `size` ranks */
size_t average_scratch_bytes(size_t n, int size);

/* Largest magnitude a weight may have when it is averaged; beyond it a run has diverged. */
#define AVERAGE_LIMIT 1048576.0F

/*
 * transport_average - replace w on every rank by the weighted mean over the workers
 *   rule     in     how the numbers travel
 *   w        inout  n finite floats below AVERAGE_LIMIT in magnitude; ignored where the weight is 0
 *   weights  in     `size` weights >= 0 (images seen), the same on every rank
 *   scratch  out    average_scratch_bytes(n, size) bytes
 * With one positive weight that rank's w is copied unchanged, with none the server's, which is the mean
 * before.  Collective: same rule, n and weights on all ranks.  Same bits for every rule and any number of
 * threads.
 * Returns the seconds of it that were spent in MPI.
 * Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data",
 * arXiv:1602.05629 (weighted mean of the clients' models).
 */
double transport_average(const average_rule *rule, float *w, size_t n, const double *weights,
                         void *scratch);

#endif
