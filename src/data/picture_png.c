#include "picture_parts.h"

#include <spng.h>

/* Colour profiles and texts that nobody looks at are read, and may be packed. */
enum { CHUNK_BYTES = 16 << 20 };

static bool explain(const picture *self, int status, error *err)
{
    if (status == SPNG_EMEM)
        return error_environment(err, "%s: out of memory", self->name);
    return error_user(err, "%s: a damaged PNG picture (%s)", self->name, spng_strerror(status));
}

static bool decode(picture *self, spng_ctx *png, error *err)
{
    struct spng_ihdr head;
    struct spng_exif exif;
    size_t n_bytes = 0;
    int status = spng_set_png_buffer(png, self->data, self->n);
    status = status ? status : spng_set_chunk_limits(png, CHUNK_BYTES, CHUNK_BYTES);
    status = status ? status : spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_DISCARD);
    status = status ? status : spng_get_ihdr(png, &head);
    if (status)
        return explain(self, status, err);
    if (!picture_make(self, head.height, head.width, err))
        return false;
    status = spng_decoded_image_size(png, SPNG_FMT_RGB8, &n_bytes);
    if (!status && n_bytes != 3 * (size_t)self->height * (size_t)self->width)
        status = SPNG_EBUFSIZ;
    status = status ? status : spng_decode_image(png, self->pixels, n_bytes, SPNG_FMT_RGB8, 0);
    status = status ? status : spng_decode_chunks(png); /* up to the end: checksums, EXIF */
    if (status)
        return explain(self, status, err);
    if (spng_get_exif(png, &exif) == 0)
        self->turn = picture_exif((const uint8_t *)exif.data, exif.length);
    return true;
}

bool picture_png(picture *self, error *err)
{
    spng_ctx *png = spng_ctx_new(0);
    bool good =
        png ? decode(self, png, err) : error_environment(err, "%s: out of memory", self->name);
    spng_ctx_free(png);
    return good;
}
