#include "picture.h"

#include "base/memory.h"
#include "data/bytes.h"

#include <stdlib.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_SIMD /* the same bits on every machine */
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 8192
#pragma GCC diagnostic ignored "-Wunused-function" /* declared there, and left out */
#include <stb/stb_image.h>

bool picture_load(const char *path, image_shape shape, uint8_t *image, error *err)
{
    uint64_t n = 0;
    int width = 0, height = 0, channels;
    bytes *file = bytes_open(path, err);
    uint8_t *packed = NULL;
    bool good = file && bytes_length(file, PICTURE_MAX_BYTES, &n, err) &&
                (packed = memory_new((size_t)n, 1, err)) &&
                bytes_read(file, 0, packed, (size_t)n, err);
    bytes_free(file);
    stbi_uc *pixels =
        good ? stbi_load_from_memory(packed, (int)n, &width, &height, &channels, shape.channels)
             : NULL;
    memory_free(packed);
    if (good && !pixels)
        return error_user(err, "%s: no PNG or JPEG picture that can be read (%s)", path,
                          stbi_failure_reason());
    good = good && picture_fit(pixels, height, width, shape, image, err);
    stbi_image_free(pixels);
    return good;
}
