/*
 * utf8.h - texts as letters of one to four bytes
 *
 * A letter is a valid one of UTF-8 that moves no cursor: none of Unicode's control characters.
 */
#ifndef BRAMBLE_BASE_UTF8_H
#define BRAMBLE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* utf8_letter - bytes of the letter that n bytes of text begin with, 1 to 4; 0: it is none, or not whole */
size_t utf8_letter(const char *text, size_t n);

/* utf8_is_plain - are n bytes of text letters and nothing else? */
bool utf8_is_plain(const char *text, size_t n);

/* utf8_fit - how many of n bytes, at most `most`, end with a whole letter */
size_t utf8_fit(const char *text, size_t n, size_t most);

/*
 * utf8_count - letters of a text, at most `most`; what is none counts as one
 *   n_bytes  out  of them
 */
size_t utf8_count(const char *text, size_t most, size_t *n_bytes);

/* utf8_mend - every byte that is of no letter becomes ? */
void utf8_mend(char *text);

#endif
