#include "pixels.h"

#include <assert.h>
#include <string.h>

/* ---- rows -------------------------------------------------------------------------------------- */

static void mirror_row(int width, const uint8_t *from, uint8_t *to)
{
    int x = 0;
    for (; x + 8 <= width; x += 8) {
        uint64_t eight;
        memcpy(&eight, from + width - 8 - x, sizeof eight);
        eight = __builtin_bswap64(eight);
        memcpy(to + x, &eight, sizeof eight);
    }
    for (; x < width; x++)
        to[x] = from[width - 1 - x];
}

void pixels_mirror(image_shape shape, const uint8_t *from, uint8_t *to)
{
    size_t width = (size_t)shape.width, n = (size_t)shape.channels * (size_t)shape.height;
    for (size_t row = 0; row < n; row++)
        mirror_row(shape.width, from + row * width, to + row * width);
}

/* Place i of n as seen in a mirror at each border, where it lies beyond. */
static int reflected(int i, int n)
{
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/* Where pixel or row i of n comes from, d further on; -1: from beyond the border. */
static int source(int i, int d, int n, bool reflect)
{
    int at = reflect ? reflected(i + d, n) : i + d;
    return at >= 0 && at < n ? at : -1;
}

typedef struct shift {
    image_shape shape;
    int dy, dx;
    bool reflect;
    int top, bottom, left, right; /* rows and columns that come from within begin, and end */
} shift;

static void shift_row(const shift *by, int y, const uint8_t *from, uint8_t *to)
{
    const int width = by->shape.width, row = source(y, by->dy, by->shape.height, by->reflect);
    for (int x = 0; x < width; x++) {
        const int at = source(x, by->dx, width, by->reflect);
        to[y * width + x] = row < 0 || at < 0 ? 0 : from[row * width + at];
    }
}

/* A column, as far as its rows come from within. */
static void shift_column(const shift *by, int x, const uint8_t *from, uint8_t *to)
{
    const int width = by->shape.width, at = source(x, by->dx, width, by->reflect);
    for (int y = by->top; y < by->bottom; y++)
        to[y * width + x] = at < 0 ? 0 : from[(y + by->dy) * width + at];
}

/*
 * Rows follow each other, so that one copy moves all that comes from within. At the sides it leaves
 * what the rows beside have there; these columns, and rows from beyond, are then made singly.
 */
static void shift_plane(const shift *by, const uint8_t *from, uint8_t *to)
{
    const int width = by->shape.width, height = by->shape.height;
    if (by->top < by->bottom && by->left < by->right) {
        const int begin = by->top * width + by->left, end = (by->bottom - 1) * width + by->right;
        memcpy(to + begin, from + begin + by->dy * width + by->dx, (size_t)(end - begin));
    }
    for (int x = 0; x < by->left; x++)
        shift_column(by, x, from, to);
    for (int x = by->right; x < width; x++)
        shift_column(by, x, from, to);
    for (int y = 0; y < by->top; y++)
        shift_row(by, y, from, to);
    for (int y = by->bottom; y < height; y++)
        shift_row(by, y, from, to);
}

/* Of n rows or columns, the part [begin, end) that comes from among them. */
static void find_within(int d, int n, int *begin, int *end)
{
    *begin = d >= 0 ? 0 : -d < n ? -d : n;
    *end = d <= 0 ? n : d < n ? n - d : 0;
}

void pixels_shift(image_shape shape, int dy, int dx, bool reflect, const uint8_t *from, uint8_t *to)
{
    const size_t plane = (size_t)shape.height * (size_t)shape.width;
    shift by = {.shape = shape, .dy = dy, .dx = dx, .reflect = reflect};
    find_within(dy, shape.height, &by.top, &by.bottom);
    find_within(dx, shape.width, &by.left, &by.right);
    for (int c = 0; c < shape.channels; c++)
        shift_plane(&by, from + (size_t)c * plane, to + (size_t)c * plane);
}

/* ---- a turn ------------------------------------------------------------------------------------ */

enum { ANGLE_BITS = 26, FRACTION_BITS = 16 };

/* Sine and cosine of an angle, of 65,536: their series, in whole numbers. */
static void sine(int64_t angle, int32_t *sin, int32_t *cos)
{
    enum { TERMS = 24 };
    const int64_t size = angle < 0 ? -angle : angle, one = (int64_t)1 << ANGLE_BITS;
    int64_t sums[2] = {one, 0}, term = one;
    for (int k = 1; k < TERMS; k++) {
        term = (term * size >> ANGLE_BITS) / k;
        sums[k % 2] += k % 4 < 2 ? term : -term;
    }
    const int64_t half = (int64_t)1 << (ANGLE_BITS - FRACTION_BITS - 1);
    *cos = (int32_t)((sums[0] + half) >> (ANGLE_BITS - FRACTION_BITS));
    *sin = (int32_t)((sums[1] + half) >> (ANGLE_BITS - FRACTION_BITS));
    *sin = angle < 0 ? -*sin : *sin;
}

enum { RUN = 32 };

/* Where a run of pixels comes from: from one of four neighbours on, and how far to the others, of 256. */
typedef struct places {
    int32_t at[RUN], part_x[RUN], part_y[RUN];
    int right, below; /* to the other neighbours */
} places;

static inline int32_t clip(int32_t i, int32_t most)
{
    i = i < 0 ? 0 : i;
    return i > most ? most : i;
}

/* From (x, y), of 65,536, on by (cos, sin) each.  The last pixel is all of the way from the one before. */
static void find_places(image_shape shape, int32_t x, int32_t y, int32_t cos, int32_t sin,
                        places *to)
{
    const int32_t last_x = shape.width - 1, last_y = shape.height - 1;
    const int32_t from_x = last_x > 0 ? last_x - 1 : 0, from_y = last_y > 0 ? last_y - 1 : 0;
    to->right = last_x - from_x;
    to->below = (last_y - from_y) * shape.width;
    for (int32_t i = 0; i < RUN; i++) {
        int32_t at_x = clip(x + i * cos, last_x << FRACTION_BITS) >> 8;
        int32_t at_y = clip(y + i * sin, last_y << FRACTION_BITS) >> 8;
        int32_t first_x = clip(at_x >> 8, from_x), first_y = clip(at_y >> 8, from_y);
        to->at[i] = first_y * shape.width + first_x;
        to->part_x[i] = at_x - 256 * first_x;
        to->part_y[i] = at_y - 256 * first_y;
    }
}

/* The neighbours of each pixel, a byte each; right: known to the compiler, which then loads two at once. */
static inline void fetch(const places *at, const uint8_t *plane, const int right, uint32_t *four)
{
    for (int i = 0; i < RUN; i++) {
        const uint8_t *a = plane + at->at[i], *b = a + at->below;
        uint32_t above = (uint32_t)a[0] | (uint32_t)a[right] << 8;
        uint32_t below = (uint32_t)b[0] | (uint32_t)b[right] << 8;
        four[i] = above | below << 16;
    }
}

/* They are fetched one by one, then mixed all at once. */
static void blend(const places *at, int n, const uint8_t *plane, uint8_t *to)
{
    uint32_t four[RUN];
    uint8_t mixed[RUN];
    if (at->right)
        fetch(at, plane, 1, four);
    else
        fetch(at, plane, 0, four);
    for (int i = 0; i < RUN; i++) {
        int32_t a = (int32_t)(four[i] & 255), a_right = (int32_t)(four[i] >> 8 & 255);
        int32_t b = (int32_t)(four[i] >> 16 & 255), b_right = (int32_t)(four[i] >> 24);
        int32_t above = 256 * a + at->part_x[i] * (a_right - a);
        int32_t below = 256 * b + at->part_x[i] * (b_right - b);
        mixed[i] = (uint8_t)((256 * above + at->part_y[i] * (below - above) + 32768) >> 16);
    }
    memcpy(to, mixed, (size_t)n);
}

void pixels_rotate(image_shape shape, int64_t angle, const uint8_t *from, uint8_t *to)
{
    const size_t plane = (size_t)shape.height * (size_t)shape.width;
    const int32_t last_x = shape.width - 1, last_y = shape.height - 1;
    int32_t sin, cos;
    places at;
    sine(angle, &sin, &cos);
    for (int32_t y = 0; y < shape.height; y++)
        for (int32_t x = 0; x < shape.width; x += RUN) {
            /* twice the distance from the middle */
            int32_t v = 2 * y - last_y, u = 2 * x - last_x, n = shape.width - x;
            int32_t at_x = ((last_x << FRACTION_BITS) + cos * u - sin * v) >> 1;
            int32_t at_y = ((last_y << FRACTION_BITS) + sin * u + cos * v) >> 1;
            find_places(shape, at_x, at_y, cos, sin, &at);
            for (int c = 0; c < shape.channels; c++)
                blend(&at, n < RUN ? n : RUN, from + (size_t)c * plane,
                      to + (size_t)c * plane + y * shape.width + x);
        }
}

/* ---- values ------------------------------------------------------------------------------------ */

void pixels_cut(image_shape shape, int y, int x, int side, const float *value, const uint8_t *from,
                uint8_t *to)
{
    const size_t width = (size_t)shape.width;
    int top = clip(y - side / 2, shape.height), bottom = clip(y - side / 2 + side, shape.height);
    int left = clip(x - side / 2, shape.width), right = clip(x - side / 2 + side, shape.width);
    memcpy(to, from, image_bytes(shape));
    for (int c = 0; c < shape.channels; c++) {
        int byte = clip((int)(255.0F * value[c] + 0.5F), 255);
        for (int row = top; row < bottom; row++)
            memset(to + (size_t)(c * shape.height + row) * width + left, byte,
                   (size_t)(right - left));
    }
}

void pixels_color(image_shape shape, int64_t brightness, int64_t contrast, const uint8_t *from,
                  uint8_t *to)
{
    const int64_t one = 65536;
    size_t n = image_bytes(shape);
    uint64_t sum = 0;
    uint8_t made[256];
    assert(n > 0);
    for (size_t i = 0; i < n; i++)
        sum += from[i];
    /* of 65,536 of a byte: (b x - b m) c + b m */
    int64_t mean = (int64_t)(sum * (uint64_t)one / n) * brightness / one;
    for (int64_t byte = 0; byte < 256; byte++) {
        int64_t value = (byte * brightness - mean) * contrast / one + mean + one / 2;
        made[byte] = (uint8_t)(value < 0 ? 0 : value >= 256 * one ? 255 : value / one);
    }
    for (size_t i = 0; i < n; i++)
        to[i] = made[from[i]];
}
