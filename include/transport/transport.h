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

/* transport_version - name and version of the MPI library, one line; "none" for the serial
 * twin; known before transport_start, too */
const char *transport_version(void);

/*
 * transport_greet - all-gather of a byte, the first of a job, in a form that never changes
 * Ends the job (status 2) when another rank begins with something else: another command, or a build that does
 * not greet.  Collective.
 */
void transport_greet(void);

/*
 * transport_agree - do all ranks still want to go on?  An all-gather of yes or no, asleep.
 *   err  inout  this rank's failure or, kind ERROR_NONE, its consent
 * Returns true on every rank, or false on every rank when any has failed; then err is, everywhere, the
 * failure of the lowest such rank (worst status wins nothing: lowest rank).  Prints nothing.
 * Collective.
 */
bool transport_agree(error *err);

/*
 * How a rank waits for those that are not here yet.  Asleep it looks in ever longer intervals (a sixteenth of
 * the time already waited, from 20 us to 1 ms, later a 256th of it, up to 4 ms), so it uses hardly any CPU.
 */
enum transport_wait {
    TRANSPORT_SLEEP,
    TRANSPORT_SPIN /* at full speed: when the others are known to be here, or on their way */
};

/* transport_barrier - wait until all ranks are here, asleep.  Collective.  The caller charges the time. */
void transport_barrier(void);

/*
 * transport_allgather - a small record of each rank to all of them, asleep
 *   mine  in   n_bytes (at most 4096), the same on all ranks
 *   all   out  size * n_bytes, in rank order, on every rank
 * On its way in a form that never changes, so that builds of any version can tell each other who they are.
 * Collective.
 */
void transport_allgather(const void *mine, size_t n_bytes, void *all);

/*
 * transport_broadcast - copy n bytes (any number) from rank root to everyone
 * Asleep, root goes on as soon as MPI has taken the bytes where n is at most 64 KiB; where it is more all wait for
 * each other.
 * Collective.
 */
void transport_broadcast(void *data, size_t n_bytes, int root, enum transport_wait how);

/*
 * transport_broadcast_text - give every rank the server's NUL-terminated string, asleep
 * Returns on the server the text given, elsewhere a new string to be released with memory_free.
 * Collective.
 */
char *transport_broadcast_text(char *text);

/*
 * transport_gather - n bytes (at most 2^30, the same number on all ranks) from each rank to the server
 *   mine  in   NULL on the server: what all has there stays as it is
 *   all   out  size * n bytes, in rank order; unused elsewhere, NULL will do
 * Asleep, all wait for each other where n is more than 64 KiB; where it is not, a worker goes on as soon as MPI has
 * taken its bytes.  Collective.
 */
void transport_gather(const void *mine, size_t n_bytes, void *all, enum transport_wait how);

/*
 * transport_gather_working - the same, asleep, of at most 64 KiB, with something to do for the server
 *   work  in  on the server: called while bytes are missing, as long as it returns true (it did some work);
 *             when it has nothing to do, and where it is NULL, the server sleeps
 */
typedef bool transport_work(void *arg);
void transport_gather_working(const void *mine, size_t n_bytes, void *all, transport_work *work,
                              void *arg);

/*
 * transport_send, transport_receive - n bytes (any number) from one rank to another, in order
 * Each send needs its receive, with the same n (asleep the job ends when they differ) and the same way to
 * wait.  Not collective.
 */
void transport_send(const void *data, size_t n_bytes, int to, enum transport_wait how);
void transport_receive(void *data, size_t n_bytes, int from, enum transport_wait how);

/*
 * transport_group - put the workers in groups of neighbours, for averaging rules that have groups (average_group);
 *                   the server is none of theirs.  Afresh after each death of a rank
 *   asked  in  workers in a group; 0: as many as share the first one's host, or about the root of their number
 * transport_grouped - workers in a group; 0: there are none
 * The first is collective.
 */
int transport_group(uint64_t asked);
int transport_grouped(void);

/*
 * transport_send_word - a non-blocking send of a number from a worker to the server, unasked; it arrives while the
 *                       server looks
 *   Returns false when the number before has not left yet; nothing is sent then.  True on a server.
 * transport_receive_word - the server: take the next such number, and whose it is; false when there is none
 * Neither waits.  Not collective.
 */
bool transport_send_word(int64_t word);
bool transport_receive_word(int *rank, int64_t *word);

/*
 * transport_call_stop - the server tells all workers to cut short what they are doing; once, until it is cleared
 * transport_stop_called - whether it did, as far as this rank has heard.  MPI is asked every 2 ms at most, which takes 1 us,
 *                         5 us over TCP, and may give the core away; else a call is a look at the clock.  Stays true
 * transport_clear_stop - until this: nobody is to stop any more, whoever has heard of it and who has not.
 *                        Returns, the same on every rank, whether it was called.
 * The first is the server's alone; the first two are not collective, the last is.
 */
void transport_call_stop(void);
bool transport_stop_called(void);
bool transport_clear_stop(void);

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

#endif
