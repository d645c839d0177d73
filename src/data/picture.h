/*
 * picture.h - a PNG or JPEG file as an image of a given size
 *
 * Private to src/data.  The decoder may crash over what it is given: picture_load runs in a process of its own.
 */
#ifndef BRAMBLE_DATA_PICTURE_H
#define BRAMBLE_DATA_PICTURE_H

#include "base/error.h"
#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

enum { PICTURE_MAX_SIDE = 1 << 13, PICTURE_MAX_BYTES = 1 << 28 };

/*
 * picture_load - decode a file, and fit it
 *   shape  in   1 channel (grey) or 3 (red, green, blue), height and width
 *   image  out  image_bytes(shape): planes
 * Returns false with err (user): no file, no picture, or larger than PICTURE_MAX_SIDE in a side.
 */
bool picture_load(const char *path, image_shape shape, uint8_t *image, error *err);

/*
 * picture_fit - the largest part in the middle that has the shape's proportions, resized by a triangular filter
 * as wide as what a pixel stands for; whole numbers throughout, the same on every machine
 *   pixels  in   [height][width][shape.channels]
 * Returns false with err (environment) when memory is out.
 */
bool picture_fit(const uint8_t *pixels, int height, int width, image_shape shape, uint8_t *image,
                 error *err);

#endif
