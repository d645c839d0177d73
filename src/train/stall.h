/*
 * stall.h - a rank that shows no progress is named
 *
 * While something lasts, workers send a sign of life four times in the time allowed: between two steps, and
 * while they wait.  Rounds shorter than that cost no message.  The server looks while it waits.
 */
#ifndef BRAMBLE_TRAIN_STALL_H
#define BRAMBLE_TRAIN_STALL_H

#include "base/clock.h"
#include "base/error.h"
#include "record/record.h"

#include <stdint.h>

typedef struct stall {
    double limit_s; /* 0: nobody looks */
    double t_sent_s;

    /* the server's */
    double t_since_s, t_looked_s; /* all were there; looked last */
    struct stall_rank *ranks;
} stall;

/* stall_init - memory; false with err (environment).  Not collective. */
bool stall_init(stall *self, double limit_s, error *err);
void stall_release(stall *self);

/* stall_send - a worker: I am in this phase, and alive */
void stall_send(stall *self, enum phase phase);

/* stall_received - the server: such a word has come; false when it is none */
bool stall_received(stall *self, int rank, int64_t word);

/* stall_begin - the server begins to wait for others, all of whom were just there */
void stall_begin(stall *self);

/*
 * stall_look - while it waits: warn of those not heard of for too long, and of those heard of again, on
 * stderr and in /stalls
 *   hosts  in  of all ranks
 *   round  in  0-based
 * Returns false with err (environment) when the file cannot be written.
 */
bool stall_look(stall *self, const record_machine *hosts, uint64_t round, record *to, error *err);

#endif
