/*
 * picture_parts.h - the decoders behind picture.h
 *
 * Private to src/data.
 */
#ifndef BRAMBLE_DATA_PICTURE_PARTS_H
#define BRAMBLE_DATA_PICTURE_PARTS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* A file in memory, and what becomes of it. */
typedef struct picture {
    const char *name; /* for messages */
    const uint8_t *data;
    size_t n;
    int height, width, turn; /* turn: EXIF's orientation, 1 to 8 */
    uint8_t *pixels;         /* [height][width][3]: red, green, blue; the caller's to free */
} picture;

/*
 * picture_png, picture_jpeg, picture_bmp - decode what begins like such a file
 * false with err: damaged or too large (user), memory (environment); pixels may be there all the same.
 */
bool picture_png(picture *self, error *err);
bool picture_jpeg(picture *self, error *err);
bool picture_bmp(picture *self, error *err);

/* picture_make - note the size, and take memory for the pixels; false with err: too large (user), or none left */
bool picture_make(picture *self, uint64_t height, uint64_t width, error *err);

/*
 * picture_exif - the orientation that EXIF data tell
 *   data  in  n bytes from the head of TIFF on ("II*" or "MM*")
 * Returns 1 to 8; 1, as it stands, where it is not told or nonsense.
 */
int picture_exif(const uint8_t *data, size_t n);

#endif
