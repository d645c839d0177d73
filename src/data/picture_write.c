#include "base/memory.h"
#include "data/picture.h"

#include <errno.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Planes to pixels. */
static uint8_t *interleave(const uint8_t *image, image_shape shape, error *err)
{
    const size_t plane = (size_t)shape.height * (size_t)shape.width,
                 n_channels = (size_t)shape.channels;
    uint8_t *pixels = memory_new(plane, n_channels, err);
    for (size_t c = 0; pixels && c < n_channels; c++)
        for (size_t i = 0; i < plane; i++)
            pixels[i * n_channels + c] = image[c * plane + i];
    return pixels;
}

/* The whole file in memory, which free releases; NULL: no memory. */
static void *encode(const uint8_t *pixels, image_shape shape, size_t *n)
{
    struct spng_ihdr head = {
        .width = (uint32_t)shape.width,
        .height = (uint32_t)shape.height,
        .bit_depth = 8,
        .color_type = shape.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR,
    };
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    int status = png ? spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1) : SPNG_EMEM;
    status = status ? status : spng_set_ihdr(png, &head);
    status = status ? status
                    : spng_encode_image(png, pixels, image_bytes(shape), SPNG_FMT_PNG,
                                        SPNG_ENCODE_FINALIZE);
    void *file = status ? NULL : spng_get_png_buffer(png, n, &status);
    spng_ctx_free(png);
    return file;
}

static bool write_file(const char *path, const void *data, size_t n, error *err)
{
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(data, 1, n, file) == n;
    int why = errno;
    if (file && fclose(file) != 0 && good) {
        good = false;
        why = errno;
    }
    return good || error_environment(err, "%s: cannot be written: %s", path, strerror(why));
}

bool picture_write(const char *path, const uint8_t *image, image_shape shape, error *err)
{
    size_t n = 0;
    uint8_t *pixels = interleave(image, shape, err);
    if (!pixels)
        return false;
    void *file = encode(pixels, shape, &n);
    bool good =
        file ? write_file(path, file, n, err) : error_environment(err, "%s: out of memory", path);
    free(file);
    memory_free(pixels);
    return good;
}
