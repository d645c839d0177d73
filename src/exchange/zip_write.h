/*
 * zip_write.h - a zip file of stored members, as NumPy writes them
 *
 * Private to src/exchange.
 * Source: PKWARE, APPNOTE.TXT (the .ZIP file format specification).
 */
#ifndef BRAMBLE_EXCHANGE_ZIP_WRITE_H
#define BRAMBLE_EXCHANGE_ZIP_WRITE_H

#include "base/error.h"

#include <stddef.h>
#include <stdio.h>

typedef struct zip_writer zip_writer;

/* Bytes of a member, one part behind the other. */
typedef struct zip_part {
    const void *bytes;
    size_t n;
} zip_part;

/*
 * zip_write_new - begin a file of at most n_members;  path  in  for messages
 * zip_write_member - one more; the name has less than 512 bytes
 * zip_write_end - the list of members, and a comment of at most 65,535 bytes
 * False, or NULL, with err: memory (environment), more than 4 GiB (user).  Whether all could be written, the stream's
 * owner looks.  zip_write_free releases it, NULL is legal.
 */
zip_writer *zip_write_new(FILE *to, const char *path, size_t n_members, error *err);
bool zip_write_member(zip_writer *self, const char *name, const zip_part *parts, int n_parts,
                      error *err);
bool zip_write_end(zip_writer *self, const char *comment, error *err);
void zip_write_free(zip_writer *self);

#endif
