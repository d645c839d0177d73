/*
 * zip.h - where the members of a zip file lie
 *
 * Source: PKWARE, APPNOTE.TXT (the .ZIP file format specification).
 */
#ifndef BRAMBLE_DATA_ZIP_H
#define BRAMBLE_DATA_ZIP_H

#include "data/bytes.h"

typedef struct zip zip;

/*
 * zip_open - read the list of members of a file
 * Returns NULL with err (user): no zip file, damaged, cut off, of more than 4 GiB before the list, or more
 * than ZIP_MAX_MEMBERS; or (environment) that of reading, or of memory.
 */
enum { ZIP_MAX_MEMBERS = 4096, ZIP_MAX_LIST_BYTES = 1 << 20 };
zip *zip_open(const char *path, error *err);
void zip_free(zip *self);

/* zip_has - is there a member of that name? */
bool zip_has(const zip *self, const char *name);

/*
 * zip_next - the name of the member at a place of the list, which is 0 at first, and on to the next; false: no more
 * A name that is too long, or has a NUL byte, is given as "".
 */
enum { ZIP_NAME_BYTES = 256 };
bool zip_next(const zip *self, size_t *place, char name[ZIP_NAME_BYTES]);

/* zip_comment - what is said of the whole file, up to its first NUL; "": nothing */
enum { ZIP_MAX_COMMENT = 65535 };
const char *zip_comment(const zip *self);

/*
 * zip_member - the bytes of a member, and how many it promises, unpacked
 * Returns NULL with err (user): no such member, encrypted, or packed by another method than deflate.
 */
bytes *zip_member(const zip *self, const char *name, uint64_t *n, error *err);

/*
 * zip_check - read a member to its end, once: is it as long as it promises, and does its checksum (CRC-32) fit?
 * Returns false with err, which names the file alone: as zip_member, cut off, damaged (user), memory (environment).
 */
bool zip_check(const zip *self, const char *name, error *err);

#endif
