/*
 * zip.h - where the members of a zip file lie
 *
 * Private to src/data.
 * Source: PKWARE, APPNOTE.TXT (the .ZIP file format specification).
 */
#ifndef BRAMBLE_DATA_ZIP_H
#define BRAMBLE_DATA_ZIP_H

#include "bytes.h"

typedef struct zip zip;

/*
 * zip_open - read the list of members of a file
 * Returns NULL with err (user): no zip file, damaged, cut off, of more than 4 GiB before the list, or more
 * than ZIP_MAX_MEMBERS.
 */
enum { ZIP_MAX_MEMBERS = 4096, ZIP_MAX_LIST_BYTES = 1 << 20 };
zip *zip_open(const char *path, error *err);
void zip_free(zip *self);

/* zip_has - is there a member of that name? */
bool zip_has(const zip *self, const char *name);

/*
 * zip_member - the bytes of a member, and how many it promises, unpacked
 * Returns NULL with err (user): no such member, encrypted, or packed by another method than deflate.
 */
bytes *zip_member(const zip *self, const char *name, uint64_t *n, error *err);

#endif
