#include "predict/sheet.h"

#include "base/memory.h"
#include "data/picture.h"
#include "letters.h"
#include "record/place.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

/* In pixels: a cell has a picture of at least SIDE, a margin around it, and lines below. */
enum { SIDE = 100, MARGIN = 6, LINE = LETTERS_HIGH + 4, COLUMNS = 8 };

struct sheet {
    const char *path;
    bool force;
    image_shape shape;
    int scale; /* pixels of the sheet for one of the image */
    size_t n;
    uint8_t *images; /* SHEET_MOST */
    char (*lines)[SHEET_LINES][SHEET_LINE_BYTES];
};

sheet *sheet_new(const char *path, bool force, image_shape shape, error *err)
{
    sheet *self =
        place_check(path, force, "--sheet", err) ? memory_new(1, sizeof *self, err) : NULL;
    if (!self)
        return NULL;
    int larger = shape.height > shape.width ? shape.height : shape.width;
    self->path = path;
    self->force = force;
    self->shape = shape;
    self->scale = larger >= SIDE ? 1 : (SIDE + larger - 1) / larger;
    self->images = memory_new(SHEET_MOST, image_bytes(shape), err);
    self->lines = self->images ? memory_new(SHEET_MOST, sizeof *self->lines, err) : NULL;
    if (self->lines)
        return self;
    sheet_free(self);
    return NULL;
}

void sheet_free(sheet *self)
{
    if (!self)
        return;
    memory_free(self->images);
    memory_free(self->lines);
    memory_free(self);
}

void sheet_add(sheet *self, const uint8_t *image, const char lines[SHEET_LINES][SHEET_LINE_BYTES])
{
    if (self->n == SHEET_MOST)
        return;
    memcpy(self->images + self->n * image_bytes(self->shape), image, image_bytes(self->shape));
    memcpy(self->lines[self->n++], lines, sizeof *self->lines);
}

/* ---- drawing --------------------------------------------------------------------------------------- */

/* The sheet as an image of three planes, and its part for a picture. */
typedef struct canvas {
    image_shape shape;
    uint8_t *image;
    int top, left, width; /* of the cell */
} canvas;

static void set(const canvas *on, int c, int y, int x, uint8_t value)
{
    const image_shape *s = &on->shape;
    on->image[((size_t)c * (size_t)s->height + (size_t)y) * (size_t)s->width + (size_t)x] = value;
}

static void draw_image(const sheet *self, const canvas *on, const uint8_t *image)
{
    const image_shape *s = &self->shape;
    const int height = s->height * self->scale, width = s->width * self->scale;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                int of = s->channels == 1 ? 0 : c;
                size_t row = (size_t)(of * s->height + y / self->scale);
                set(on, c, on->top + y, on->left + x,
                    image[row * (size_t)s->width + (size_t)(x / self->scale)]);
            }
}

static void draw_line(const canvas *on, int top, const char *text)
{
    const int pace = LETTERS_WIDE + 1;
    for (int k = 0; *text && (k + 1) * pace <= on->width; text++) {
        if ((*text & 0xc0) == 0x80) /* not the first byte of a letter */
            continue;
        const uint8_t *rows = letters_find((char)tolower((unsigned char)*text));
        for (int y = 0; y < LETTERS_HIGH; y++)
            for (int x = 0; x < LETTERS_WIDE; x++)
                for (int c = 0; c < 3 && rows[y] >> (LETTERS_WIDE - 1 - x) & 1; c++)
                    set(on, c, top + y, on->left + k * pace + x, 0);
        k++;
    }
}

static void draw(const sheet *self, canvas *on, int columns, int cell_height)
{
    memset(on->image, 255, image_bytes(on->shape));
    on->width = self->shape.width * self->scale;
    for (size_t k = 0; k < self->n; k++) {
        on->top = MARGIN + (int)k / columns * cell_height;
        on->left = MARGIN + (int)k % columns * (on->width + MARGIN);
        draw_image(self, on, self->images + k * image_bytes(self->shape));
        for (int line = 0; line < SHEET_LINES; line++)
            draw_line(on, on->top + self->shape.height * self->scale + 3 + line * LINE,
                      self->lines[k][line]);
    }
}

/* Beside it, and then by its name. */
static bool publish(const sheet *self, const canvas *from, error *err)
{
    char *temporary;
    int fd = place_open(self->path, &temporary, err);
    if (fd < 0)
        return error_prefix(err, "--sheet");
    close(fd);
    bool good = (picture_write(temporary, from->image, from->shape, err) &&
                 place_publish(temporary, self->path, self->force, err)) ||
                error_prefix(err, "--sheet %s", self->path);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    return good;
}

bool sheet_write(const sheet *self, error *err)
{
    if (self->n == 0)
        return true;
    const int columns = self->n < COLUMNS ? (int)self->n : COLUMNS,
              rows = ((int)self->n + columns - 1) / columns,
              cell_height = self->shape.height * self->scale + SHEET_LINES * LINE + 3 + MARGIN;
    canvas on = {.shape = {3, MARGIN + rows * cell_height,
                           MARGIN + columns * (self->shape.width * self->scale + MARGIN), 1}};
    on.image = memory_new(1, image_bytes(on.shape), err);
    if (!on.image)
        return false;
    draw(self, &on, columns, cell_height);
    bool good = publish(self, &on, err);
    memory_free(on.image);
    return good;
}
