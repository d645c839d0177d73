/*
 * pixels.h - pure functions from the bytes of an image to those of another of the same shape
 *   from   in   [channels][height][width]
 *   to     out  the same; not the same memory
 */
#ifndef BRAMBLE_DATA_PIXELS_H
#define BRAMBLE_DATA_PIXELS_H

#include "data/dataset.h"

#include <stdint.h>

/* pixels_mirror - left to right */
void pixels_mirror(image_shape shape, const uint8_t *from, uint8_t *to);

/*
 * pixels_shift - to[y][x] = from[y + dy][x + dx]; beyond the border 0 or, with reflect, mirrored about the outermost
 *                pixels: |dy| < height, |dx| < width
 */
void pixels_shift(image_shape shape, int dy, int dx, bool reflect, const uint8_t *from,
                  uint8_t *to);

/*
 * pixels_rotate - about the middle; in between bilinear, beyond the border its pixels
 *   angle  in  2^-26 radian, anticlockwise as seen, at most half a turn either way
 *   sides of at most 8,192 pixels
 */
void pixels_rotate(image_shape shape, int64_t angle, const uint8_t *from, uint8_t *to);

/*
 * pixels_cut - a square about (y, x), as far as it lies in the image, has one value in each channel
 *   side   in  pixels; from y - side / 2 on
 *   value  in  of each channel, as byte / 255
 */
void pixels_cut(image_shape shape, int y, int x, int side, const float *value, const uint8_t *from,
                uint8_t *to);

/* pixels_color - brightness times a factor, then contrast times another about the mean of all bytes; of 65,536 */
void pixels_color(image_shape shape, int64_t brightness, int64_t contrast, const uint8_t *from,
                  uint8_t *to);

#endif
