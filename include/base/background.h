/*
 * background.h - one piece of work in a thread of its own, again and again: what may wait for a disk
 *
 * The work must touch neither MPI nor OpenMP nor HDF5, and nothing that changes meanwhile.
 */
#ifndef BRAMBLE_BASE_BACKGROUND_H
#define BRAMBLE_BASE_BACKGROUND_H

#include "base/error.h"

#include <stdbool.h>

typedef struct background background;
typedef void background_work(void *arg);

/* background_new - a thread that sleeps; NULL with err (environment) */
background *background_new(background_work *work, void *arg, error *err);

/* background_free - wait for the work under way, end the thread; NULL is legal */
void background_free(background *self);

/* background_start - call work(arg) there; false, and nothing else, while the last call has not returned.
 * What was written before is seen there. */
bool background_start(background *self);

/* background_busy - has it not returned yet?  After a no what it wrote is seen here. */
bool background_busy(background *self);

/* background_wait - until it has */
void background_wait(background *self);

#endif
