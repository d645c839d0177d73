/*
 * sheet.h - a PNG picture of pictures, each as the model saw it, with words below
 */
#ifndef BRAMBLE_PREDICT_SHEET_H
#define BRAMBLE_PREDICT_SHEET_H

#include "base/error.h"
#include "data/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHEET_MOST = 256, SHEET_LINES = 2, SHEET_LINE_BYTES = 24 };

typedef struct sheet sheet;

/*
 * sheet_new - for up to SHEET_MOST images of a shape (1 or 3 channels); NULL with err: as place_check
 * (record/place.h), with --sheet; memory.  Nothing is written yet.  sheet_free: NULL is legal.
 */
sheet *sheet_new(const char *path, bool force, image_shape shape, error *err);
void sheet_free(sheet *self);

/* sheet_add - another image; from SHEET_MOST on nothing.  Of lines what fits is shown, capital letters as small ones. */
void sheet_add(sheet *self, const uint8_t *image, const char lines[SHEET_LINES][SHEET_LINE_BYTES]);

/* sheet_write - the file, whole or not at all; without images none.  false with err (environment; user: the name is taken by now) */
bool sheet_write(const sheet *self, error *err);

#endif
