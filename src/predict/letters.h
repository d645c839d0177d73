/*
 * letters.h - letters and digits as dots
 *
 * Private to src/predict.
 */
#ifndef BRAMBLE_PREDICT_LETTERS_H
#define BRAMBLE_PREDICT_LETTERS_H

#include <stdint.h>

enum { LETTERS_WIDE = 5, LETTERS_HIGH = 7 };

/* letters_find - the rows of a small letter, a digit or a sign from the top, the leftmost dot highest; else those of ? */
const uint8_t *letters_find(char letter);

#endif
