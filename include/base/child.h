/*
 * child.h - read a file that may be anything in a process of its own, or write one
 *
 * Libraries that read others' files do not survive every damaged one.  What one does here cannot hurt the
 * program: a crash, too much memory and too much time become an error line.  Nor does what a library leaves behind
 * in a process, its settings and locks, concern a program that is not ours (src/api).
 */
#ifndef BRAMBLE_BASE_CHILD_H
#define BRAMBLE_BASE_CHILD_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

/*
 * child_work - what the child does; its memory is a copy, so only what it writes to `out` comes back
 * Returns false with err.  Neither MPI nor OpenMP may be touched.
 */
typedef bool child_work(void *arg, FILE *out, error *err);

typedef struct child_task {
    const char *path;   /* what is read, for messages */
    const char *reader; /* what reads it, for messages: "HDF5" */
    size_t n_bytes;     /* of what is read; 0: the size of the file at path */
} child_task;

/*
 * child_run - do the work in a child
 * The child may take CHILD_BYTES and CHILD_SHARE times n_bytes more than this process has, and CHILD_CPU_S
 * seconds of processor time and one more for every CHILD_BYTES_PER_S of them; no file counts as larger than
 * CHILD_MAX_BYTES.
 * Returns what was written, to be read from its start and closed with fclose, or NULL with err: the
 * work's own; the child crashed or took too long (user); there is no process to be had or it was
 * killed (environment).  What comes from a child is as little to be trusted as the file.
 */
enum { CHILD_BYTES = 128 << 20, CHILD_SHARE = 3, CHILD_CPU_S = 10, CHILD_BYTES_PER_S = 16 << 20 };
#define CHILD_MAX_BYTES 4294967296.0
FILE *child_run(const child_task *task, child_work *work, void *arg, error *err);

/* child_write - the same to write the file at path, of about n_bytes > 0: what the work prints is dropped.  A crash or too
 * much time is an environment's error then */
bool child_write(const child_task *task, child_work *work, void *arg, error *err);

#endif
