/*
 * words.h - the words that options of the table may have, where no registry has them
 */
#ifndef BRAMBLE_OPTIONS_WORDS_H
#define BRAMBLE_OPTIONS_WORDS_H

#include <stddef.h>

/* *_word - the i-th, NULL past the last: option_entry's word */
const char *order_word(size_t i);
const char *deal_word(size_t i);
const char *tta_word(size_t i);
const char *average_word(size_t i);
const char *outer_word(size_t i);
const char *preset_word(size_t i);
const char *sync_word(size_t i);
const char *on_nan_word(size_t i);

#endif
