/*
 * present.h - how far the ranks are in the round that is going on
 *
 * At the end of a segment all know what each has done.  In between a worker tells the server once a second.
 */
#ifndef BRAMBLE_TRAIN_PRESENT_H
#define BRAMBLE_TRAIN_PRESENT_H

#include "base/error.h"
#include "course.h"

#include <stdint.h>

struct present_rank;

typedef struct present {
    uint64_t round;             /* 0-based */
    double round_images;        /* that all see in a round, about */
    struct present_rank *ranks; /* all */
    double t_sent_s;
} present;

/* present_init - false with err (environment) */
bool present_init(present *self, const course *of, error *err);
void present_release(present *self);

/* present_begin - a round begins */
void present_begin(present *self, uint64_t round);

/* present_note - a rank has done so many images in a segment that is over */
void present_note(present *self, int rank, double images);

/* present_send - this rank has done so many in the segment that is going on: on a worker, tell the server */
void present_send(present *self, double images);

/* present_received - the server: was this word (transport_receive_word) about that? */
bool present_received(present *self, int rank, int64_t word);

/* present_images - in this round, so far as it is known */
double present_images(const present *self);

#endif
