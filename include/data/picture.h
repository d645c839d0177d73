/*
 * picture.h - a PNG, JPEG or BMP picture as an image of a given size
 *
 * What a picture is, is seen by its first bytes, not by a name.  Nothing in it is trusted: its size is looked at
 * before memory is taken, and whatever is damaged is refused.
 */
#ifndef BRAMBLE_DATA_PICTURE_H
#define BRAMBLE_DATA_PICTURE_H

#include "base/error.h"
#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PICTURE_MAX_PIXELS = 64000000,
    PICTURE_MAX_SIDE = (1 << 16) - 1,
    PICTURE_MAX_BYTES = 1 << 28 /* of a file */
};

/* What is seen by how a file begins: a picture that can be read, one that cannot, or anything else. */
enum picture_sight { PICTURE_NONE, PICTURE_READ, PICTURE_OTHER };
enum { PICTURE_LOOK_BYTES = 18 }; /* so many tell */

/* picture_look - what begins with n bytes */
enum picture_sight picture_look(const uint8_t *data, size_t n);

/* picture_refuse - err (user) that says what begins with n bytes, which is none that can be read; returns false */
bool picture_refuse(const char *name, const uint8_t *data, size_t n, error *err);

/*
 * picture_load - decode a file, turn it as its EXIF says, and fit it
 *   shape  in   1 channel (grey) or 3 (red, green, blue), height and width
 *   image  out  image_bytes(shape): planes
 * Transparency is dropped, grey is a weighted mean of the colours.  May be called by several threads.
 * Returns false with err: no such file, no picture, damaged, or too large (user); memory is out (environment).
 */
bool picture_load(const char *path, image_shape shape, uint8_t *image, error *err);

/* picture_decode - the same for n bytes in memory;  name  in  of the picture, for messages */
bool picture_decode(const char *name, const uint8_t *data, size_t n, image_shape shape,
                    uint8_t *image, error *err);

/*
 * picture_fit - the largest part in the middle that has the shape's proportions, resized by a triangular filter
 * as wide as what a pixel stands for; whole numbers throughout, the same on every machine
 *   pixels  in   [height][width][shape.channels]; sides up to PICTURE_MAX_SIDE
 * Returns false with err (environment) when memory is out.
 */
bool picture_fit(const uint8_t *pixels, int height, int width, image_shape shape, uint8_t *image,
                 error *err);

/*
 * picture_write - an image, planes of 1 or 3 channels, as a PNG file; what stands there is lost
 * Returns false with err (environment): memory is out, or it cannot be written.
 */
bool picture_write(const char *path, const uint8_t *image, image_shape shape, error *err);

/* Where a picture ends that more bytes follow, looked for as they come; begins with {0}. */
typedef struct picture_end {
    size_t at; /* all before was looked at */
    bool in_scan;
} picture_end;

/*
 * picture_end_find - the length of the picture that data begins with
 *   data  in   n bytes, at least those of the last call; more may come
 *   name  in   for messages
 *   length out 0: it does not end here
 * Returns false with err (user): no PNG, JPEG or BMP picture begins here, it is damaged, or longer than PICTURE_MAX_BYTES.
 */
bool picture_end_find(picture_end *self, const char *name, const uint8_t *data, size_t n,
                      size_t *length, error *err);

#endif
