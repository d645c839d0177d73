#include "picture_parts.h"

#include <string.h>

/* BMP as programs of today write it: no packing, a palette or 24 or 32 bits. */
enum { FILE_BYTES = 14, INFO_BYTES = 40, MASKED_BYTES = 52, PLAIN = 0, MASKED = 3 };
enum { PALETTE_ENTRY = 4, PALETTE_MOST = 256 };

typedef struct layout {
    size_t at, stride;      /* of the first row in the file, and from row to row */
    unsigned bits;          /* of a pixel */
    size_t places[3];       /* of red, green, blue among a pixel's bytes */
    const uint8_t *palette; /* blue, green, red, nothing */
    size_t n_colours;
    bool from_top;
} layout;

static uint32_t number(const picture *self, size_t at, size_t n_bytes)
{
    uint32_t sum = 0;
    while (n_bytes-- > 0)
        sum = sum << 8 | self->data[at + n_bytes];
    return sum;
}

static bool refuse(const picture *self, const char *why, error *err)
{
    return error_user(err, "%s: a damaged BMP picture (%s)", self->name, why);
}

/* Masks that pick whole bytes, as all programs write. */
static bool read_masks(const picture *self, layout *to, error *err)
{
    for (size_t c = 0; c < 3; c++) {
        uint32_t mask = number(self, FILE_BYTES + INFO_BYTES + 4 * c, 4);
        size_t place = 0;
        while (place < 4 && mask != 0xffU << 8 * place)
            place++;
        if (place == 4)
            return error_user(err, "%s: a BMP picture with colours of other than 8 bits",
                              self->name);
        to->places[c] = place;
    }
    return true;
}

static bool read_palette(const picture *self, size_t head, layout *to, error *err)
{
    uint32_t used = number(self, FILE_BYTES + 32, 4);
    size_t most = (size_t)1 << to->bits, at = FILE_BYTES + head;
    to->n_colours = used == 0 || used > most ? most : used;
    to->palette = self->data + at;
    return to->n_colours * PALETTE_ENTRY <= self->n - at ||
           refuse(self, "its palette is cut off", err);
}

/* How pixels lie, of the packings that are read. */
static bool read_pixel(const picture *self, size_t head, layout *to, error *err)
{
    uint32_t packing = number(self, FILE_BYTES + 16, 4);
    to->bits = number(self, FILE_BYTES + 14, 2);
    memcpy(to->places, (size_t[3]){2, 1, 0}, sizeof to->places);
    const bool colours = to->bits == 24 || to->bits == 32,
               indices = to->bits == 1 || to->bits == 4 || to->bits == 8;
    if (packing == PLAIN && indices)
        return read_palette(self, head, to, err);
    if (packing == PLAIN && colours)
        return true;
    if (packing == MASKED && to->bits == 32 && self->n >= FILE_BYTES + MASKED_BYTES)
        return read_masks(self, to, err);
    return error_user(err,
                      "%s: a BMP picture of %u bits, packed in way %u: only unpacked ones of 1, 4, "
                      "8, 24 and 32 bits are read; save it as PNG",
                      self->name, to->bits, (unsigned)packing);
}

static bool read_head(picture *self, layout *to, error *err)
{
    if (self->n < FILE_BYTES + INFO_BYTES)
        return refuse(self, "it is cut off", err);
    size_t head = number(self, FILE_BYTES, 4);
    if (head < INFO_BYTES || head > self->n - FILE_BYTES)
        return refuse(self, "an unknown head", err);
    int32_t width = (int32_t)number(self, FILE_BYTES + 4, 4),
            height = (int32_t)number(self, FILE_BYTES + 8, 4);
    to->from_top = height < 0;
    if (width <= 0 || height == 0)
        return refuse(self, "without a size", err);
    if (!read_pixel(self, head, to, err) ||
        !picture_make(self, to->from_top ? -(uint64_t)height : (uint64_t)height, (uint64_t)width,
                      err))
        return false;
    to->at = number(self, 10, 4);
    to->stride = ((size_t)self->width * to->bits + 31) / 32 * 4;
    return (to->at <= self->n && to->stride * (size_t)self->height <= self->n - to->at) ||
           refuse(self, "it is cut off", err);
}

/* false: a colour that the palette does not have. */
static bool look_up(const layout *of, const uint8_t *row, size_t width, uint8_t *to)
{
    const unsigned bits = of->bits, mask = (1U << bits) - 1;
    for (size_t x = 0; x < width; x++, to += 3) {
        size_t bit = x * bits, index = row[bit / 8] >> (8 - bits - bit % 8) & mask;
        if (index >= of->n_colours)
            return false;
        for (size_t c = 0; c < 3; c++)
            to[c] = of->palette[PALETTE_ENTRY * index + 2 - c];
    }
    return true;
}

static void copy(const layout *of, const uint8_t *row, size_t width, uint8_t *to)
{
    for (size_t x = 0; x < width; x++, row += of->bits / 8)
        for (size_t c = 0; c < 3; c++)
            *to++ = row[of->places[c]];
}

bool picture_bmp(picture *self, error *err)
{
    layout of = {0};
    if (!read_head(self, &of, err))
        return false;
    const size_t width = (size_t)self->width, height = (size_t)self->height;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *row = self->data + of.at + (of.from_top ? y : height - 1 - y) * of.stride;
        uint8_t *to = self->pixels + 3 * y * width;
        if (!of.palette)
            copy(&of, row, width, to);
        else if (!look_up(&of, row, width, to))
            return refuse(self, "a colour that its palette does not have", err);
    }
    return true;
}
