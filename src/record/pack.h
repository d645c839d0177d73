/*
 * pack.h - a record_file as a stream of bytes, from the process that reads to the one that asked
 *
 * Private to src/record.
 */
#ifndef BRAMBLE_RECORD_PACK_H
#define BRAMBLE_RECORD_PACK_H

#include "record/record.h"

#include <stdio.h>

/* pack_write - write self; whether that went well, the stream's owner asks it (ferror) */
void pack_write(record_file *self, FILE *out);

/*
 * pack_read - the record_file in a stream, for record_file_free
 * Nothing in it is trusted.  Returns NULL with err: what it says does not add up (user), out of memory
 * (environment).
 */
record_file *pack_read(const char *path, FILE *in, error *err);

#endif
