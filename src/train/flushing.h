/*
 * flushing.h - what was written to the result file is brought to the disk, while training goes on
 *
 * Once a second at most, in a thread of its own: on an SD card it may take long.  The server's alone.
 */
#ifndef BRAMBLE_TRAIN_FLUSHING_H
#define BRAMBLE_TRAIN_FLUSHING_H

#include "base/background.h"
#include "record/record.h"

typedef struct flushing {
    record *file;
    background *thread;
    error error; /* of the last time */
    double t_begun_s;
    bool wanted;
} flushing;

/* flushing_init - false with err (environment); the file must outlive it */
bool flushing_init(flushing *self, record *file, error *err);

/* flushing_release - wait for what is under way */
void flushing_release(flushing *self);

/* flushing_want - something was written */
void flushing_want(flushing *self);

/* flushing_look - begin, where it is wanted and a second has passed; call it now and then.
 * false with err (environment) when it has failed before. */
bool flushing_look(flushing *self, error *err);

/* flushing_wait - wait for what is under way; false with err as flushing_look */
bool flushing_wait(flushing *self, error *err);

#endif
