/*
 * error.h - how anything in Bramble says that it failed
 *
 * A function that can fail takes an `error *` last and returns false (or NULL) after describing the
 * failure in it.  The describing functions return false, so that the usual line is
 *
 *     return error_user(err, "--batch %d: must be at least 1", batch);
 *
 * The two kinds are the two exit statuses of the program.  A message is one line without a trailing
 * full stop or newline: where, what is wrong, what to do.  Mistakes of the programmer are asserts.
 */
#ifndef BRAMBLE_BASE_ERROR_H
#define BRAMBLE_BASE_ERROR_H

#include <stdbool.h>

enum error_kind {
    ERROR_NONE = 0,
    ERROR_ENVIRONMENT = 1, /* MPI, HDF5, memory, disk, a dead peer: exit status 1 */
    ERROR_USER = 2         /* an option, a file, a model: exit status 2 */
};

typedef struct error {
    enum error_kind kind;
    char text[768]; /* one line, NUL-terminated, cut if longer */
} error;

/*
 * error_user, error_environment - describe a failure in err; the first description is kept
 *   err  inout  NULL is legal and drops the text
 * Returns false, always.  Not collective.
 */
bool error_user(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool error_environment(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * error_prefix - put "prefix: " before the text of a failure already described
 * Returns false, always.  Not collective.
 */
bool error_prefix(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * error_print - write "bramble: text" and a newline to stderr in one write, control characters as '?'
 * Not collective: the caller sees to it that one rank prints (transport_agree does).
 */
void error_print(const error *err);

#endif
