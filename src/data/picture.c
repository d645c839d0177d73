#include "data/picture.h"

#include "base/memory.h"
#include "data/bytes.h"
#include "picture_parts.h"

#include <string.h>

/* ---- what it is ---------------------------------------------------------------------------------- */

/* How files begin, ? for any byte: pictures, and what else comes under their names. */
static const struct {
    const char *start;
    size_t n;
    enum picture_sight sight;
    bool (*decode)(picture *self, error *err);
    const char *what;
} forms[] = {
    {"\x89PNG\r\n\x1a\n", 8, PICTURE_READ, picture_png, NULL},
    {"\xff\xd8\xff", 3, PICTURE_READ, picture_jpeg, NULL},
    {"BM?????????????\0\0\0", 18, PICTURE_READ, picture_bmp, NULL},
    {"BM", 2, PICTURE_NONE, picture_bmp, NULL}, /* a text may begin like this */
    {"GIF8", 4, PICTURE_OTHER, NULL, "a GIF picture"},
    {"RIFF????WEBP", 12, PICTURE_OTHER, NULL, "a WebP picture"},
    {"II*\0", 4, PICTURE_OTHER, NULL, "a TIFF or raw picture"},
    {"MM\0*", 4, PICTURE_OTHER, NULL, "a TIFF or raw picture"},
    {"????ftyphei", 11, PICTURE_OTHER, NULL, "a HEIC picture"},
    {"????ftypmif", 11, PICTURE_OTHER, NULL, "a HEIC or AVIF picture"},
    {"????ftypavi", 11, PICTURE_OTHER, NULL, "an AVIF picture"},
    {"\0\0\0\x0cJXL ", 8, PICTURE_OTHER, NULL, "a JPEG XL picture"},
    {"\xff\x0a", 2, PICTURE_OTHER, NULL, "a JPEG XL picture"},
    {"\0\0\0\x0cjP  ", 8, PICTURE_OTHER, NULL, "a JPEG 2000 picture"},
    {"8BPS", 4, PICTURE_OTHER, NULL, "a Photoshop picture"},
    {"P5\n", 3, PICTURE_OTHER, NULL, "a PGM picture"},
    {"P6\n", 3, PICTURE_OTHER, NULL, "a PPM picture"},
    {"RIFF", 4, PICTURE_NONE, NULL, "sound or a film"},
    {"%PDF", 4, PICTURE_NONE, NULL, "a PDF document"},
    {"<", 1, PICTURE_NONE, NULL, "a text like SVG or HTML"},
    {"\x89HDF", 4, PICTURE_NONE, NULL, "an HDF5 file"},
    {"PK\3\4", 4, PICTURE_NONE, NULL, "a ZIP archive"},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static bool begins_with(const char *start, size_t length, const uint8_t *data, size_t n)
{
    bool good = n >= length;
    for (size_t k = 0; good && k < length; k++)
        good = start[k] == '?' || (uint8_t)start[k] == data[k];
    return good;
}

/* N_FORMS: none of them. */
static size_t find_form(const uint8_t *data, size_t n)
{
    size_t i = 0;
    while (i < N_FORMS && !begins_with(forms[i].start, forms[i].n, data, n))
        i++;
    return i;
}

enum picture_sight picture_look(const uint8_t *data, size_t n)
{
    size_t i = find_form(data, n);
    return i < N_FORMS ? forms[i].sight : PICTURE_NONE;
}

bool picture_refuse(const char *name, const uint8_t *data, size_t n, error *err)
{
    size_t i = find_form(data, n);
    const char *what = i < N_FORMS ? forms[i].what : NULL;
    if (what && forms[i].sight == PICTURE_OTHER)
        return error_user(err, "%s: is %s: convert it to PNG, JPEG or BMP", name, what);
    return error_user(err, "%s: no PNG, JPEG or BMP picture%s%s", name,
                      what     ? ", whatever its name says: "
                      : n == 0 ? ": it is empty"
                               : "",
                      what ? what : "");
}

static bool decode(picture *self, error *err)
{
    size_t i = find_form(self->data, self->n);
    return i < N_FORMS && forms[i].decode ? forms[i].decode(self, err)
                                          : picture_refuse(self->name, self->data, self->n, err);
}

/* ---- what becomes of it -------------------------------------------------------------------------- */

/* Red, green, blue to grey, in place: ITU-R BT.601's weights in 256ths. */
static void take_colour_out(picture *self)
{
    size_t n = (size_t)self->height * (size_t)self->width;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = self->pixels + 3 * i;
        self->pixels[i] = (uint8_t)((from[0] * 77 + from[1] * 150 + from[2] * 29) >> 8);
    }
}

/* An image as a camera held otherwise has stored it; `shape` is what it becomes. */
static void turn(int how, image_shape shape, const uint8_t *from, uint8_t *to)
{
    const int h = shape.height, w = shape.width;
    const bool swaps = how > 4, from_right = how == 2 || how == 3 || how == 7 || how == 8,
               from_below = how == 3 || how == 4 || how == 6 || how == 7;
    for (int c = 0; c < shape.channels; c++, from += h * w)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                int row = swaps ? x : y, column = swaps ? y : x;
                row = from_below ? (swaps ? w : h) - 1 - row : row;
                column = from_right ? (swaps ? h : w) - 1 - column : column;
                *to++ = from[row * (swaps ? h : w) + column];
            }
}

static bool fit(picture *self, image_shape shape, uint8_t *image, error *err)
{
    if (shape.channels == 1)
        take_colour_out(self);
    if (self->turn == 1)
        return picture_fit(self->pixels, self->height, self->width, shape, image, err);
    image_shape stored = shape;
    if (self->turn > 4) {
        stored.height = shape.width;
        stored.width = shape.height;
    }
    uint8_t *as_stored = memory_new(image_bytes(shape), 1, err);
    bool good =
        as_stored && picture_fit(self->pixels, self->height, self->width, stored, as_stored, err);
    if (good)
        turn(self->turn, shape, as_stored, image);
    memory_free(as_stored);
    return good;
}

bool picture_decode(const char *name, const uint8_t *data, size_t n, image_shape shape,
                    uint8_t *image, error *err)
{
    picture self = {.name = name, .data = data, .n = n, .turn = 1};
    bool good = decode(&self, err) && fit(&self, shape, image, err);
    memory_free(self.pixels);
    return good;
}

bool picture_load(const char *path, image_shape shape, uint8_t *image, error *err)
{
    uint64_t n = 0;
    bytes *file = bytes_open(path, err);
    uint8_t *packed = NULL;
    bool good = file && bytes_length(file, PICTURE_MAX_BYTES, &n, err) &&
                (packed = memory_new((size_t)n, 1, err)) &&
                bytes_read(file, 0, packed, (size_t)n, err);
    bytes_free(file);
    good = good && picture_decode(path, packed, (size_t)n, shape, image, err);
    memory_free(packed);
    return good;
}
