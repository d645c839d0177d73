/*
 * place.h - where a file is to stand: the checks, the temporary beside it, the final name
 */
#ifndef BRAMBLE_RECORD_PLACE_H
#define BRAMBLE_RECORD_PLACE_H

#include "base/error.h"

/*
 * place_check - may a file be put at path?  As record_check_new, but writes nothing.
 *   option  in  by which it was named, for messages
 */
bool place_check(const char *path, bool force, const char *option, error *err);

/* place_same - do two paths lead to one name in one folder?  Nothing need stand there. */
bool place_same(const char *a, const char *b);

/*
 * place_open - make an empty file of a new name in path's folder, open for reading and writing
 *   temporary  out  its name; memory_free it
 * Returns a descriptor, or -1 with err (environment) and *temporary NULL.
 */
int place_open(const char *path, char **temporary, error *err);

/*
 * place_publish - give the temporary its final name; afterwards only that exists
 * Without force nothing at path is ever replaced; where the file system has neither hard links nor
 * RENAME_NOREPLACE (exFAT by FUSE, rclone) an empty file takes the name first, for a moment.
 * Returns false with err: something stands at path by now (user), or the system refuses
 * (environment); what stood at path stands there, and the temporary may still be there.
 */
bool place_publish(const char *temporary, const char *path, bool force, error *err);

/*
 * place_replace - give the temporary its final name, over what stands there
 *   previous  in  the name which that gets, or NULL
 * At every moment there is a file at path if there was one before, where there are hard links; else at path
 * or previous.  Returns false with err (environment): both are what they were, unless only the folder
 * cannot be synced; the temporary may still be there.
 */
bool place_replace(const char *temporary, const char *path, const char *previous, error *err);

/* place_lock - tell others that a run is writing this file, for as long as fd is open */
void place_lock(int fd);

/* place_is_locked - is a run writing the file at path?  (no, where there are no locks) */
bool place_is_locked(const char *path);

#endif
