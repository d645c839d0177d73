/*
 * ini.h - INI text with line numbers (libinih underneath)
 *
 * Sections in brackets, `name = value`, comments after ';' or '#' at the start of a line and after
 * " ;" behind a value.  Sections and keys come in the order of the text.
 */
#ifndef BRAMBLE_BASE_INI_H
#define BRAMBLE_BASE_INI_H

#include "base/error.h"

#include <stddef.h>

enum { INI_TEXT_MAX_BYTES = 1 << 20 }; /* a larger file is refused unread */

/* Called for each key; strings live until it returns.  Returns false with err to stop there. */
typedef bool ini_visit(void *user, int line, const char *section, const char *name,
                       const char *value, error *err);

/*
 * ini_read_file - the whole file as a NUL-terminated string for ini_parse_text; memory_free it
 * Returns NULL with err: cannot be opened, no regular file, larger than INI_TEXT_MAX_BYTES, holds a NUL
 * byte (user).  Not collective.
 */
char *ini_read_file(const char *path, error *err);

/*
 * ini_parse_text - call visit for every key of text
 *   where  in  name used in messages, usually the path
 * Returns false with err "where:line: ..." for a malformed or overlong line (user), or visit's own
 * error with "where:line: " before it.  Not collective.
 */
bool ini_parse_text(const char *where, const char *text, ini_visit *visit, void *user, error *err);

#endif
