/*
 * account.h - the server's books: what the workers' times and counts add up to
 */
#ifndef BRAMBLE_TRAIN_ACCOUNT_H
#define BRAMBLE_TRAIN_ACCOUNT_H

#include "record/record.h"
#include "roster.h"
#include "worker.h"

/* Gathered from all ranks at the end of a round. */
typedef struct round_note {
    record_rank row;
    double t_wait_s; /* between its last segment_note and the decision */
    double t_own_s;  /* since its first step, by its own clock */
} round_note;

typedef struct account {
    const record_machine *machines; /* of all ranks */
    double images, bytes_sent;      /* so far */
    double t_phase_s[PHASE_COUNT];  /* so far: mean over the workers */
    double t_serve_s;               /* in this round: how long the last of the workers waited */
} account;

/*
 * account_time - how long the rounds of this start have taken
 *   t_s  in  by the server's clock, which may have begun late: where ranks outnumber cores the server may get
 *            its own when workers have long been training
 * Returns the longest time any rank knows of, for more ranks than one.
 */
double account_time(const round_note *ends, double t_s);

/* account_segment - add the notes of all clients of the roster (roster_at) to the row of their round */
void account_segment(account *self, const segment_note *notes, const roster *who,
                     record_round *round);

/* account_clients - the same to the rows of all clients; loss and accuracy are sums over images */
void account_clients(const segment_note *notes, const roster *who, record_client_round *rows);

/*
 * account_round - close a round: its averages and sums
 *   ends  in   of all ranks
 *   rows  out  the same, with the workers' time of waiting split in two: a worker cannot tell whom it waits
 *              for, but the one that is last waits for the server alone, and as long as that the others
 *              would have waited without it, too
 */
void account_round(account *self, const round_note *ends, record_rank *rows, record_round *round);

/* account_past - begin with the rounds of former starts */
void account_past(account *self, const record_file *past);

/* account_summarize - what follows from the books and s->t_time_s: work, overhead and its parts, bytes, nodes */
void account_summarize(const account *self, record_summary *s);

#endif
