#include "base/memory.h"
#include "base/random.h"
#include "data/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Ten figures of random place, size, angle, colours and contrast on a sloping background with
 * specks and noise.  Integers throughout, so that an image is the same on every machine.
 * The ranges suit a small net: it learns from 10,000 images and still makes mistakes after 50,000.
 */
enum { SIDE = 32, CHANNELS = 3, IMAGE = CHANNELS * SIDE * SIDE };
enum { UNIT = 32, CENTRE = SIDE * UNIT / 2 }; /* units of length to a pixel */
enum { ANGLES = 256, COSINE_ONE = 4096 };     /* angles to a full turn */
enum { GROUND_MIN = 64, GROUND_MAX = 96, CONTRAST_MIN = 24, CONTRAST_MAX = 144, TINT = 32 };
enum { NOISE_MIN = 8, NOISE_MAX = 96, SLOPE = 32 };
enum { FIGURE_MIN = 6 * UNIT, FIGURE_MAX = 14 * UNIT, FIGURE_AWAY = 4 * UNIT };
enum { SPECKS = 3, SPECK_MIN = UNIT, SPECK_MAX = 3 * UNIT, SPECK_AWAY = 15 * UNIT };
enum { DEFAULT_TRAIN = 50000, MAX_TRAIN = 10000000, MIN_TEST = 10 };

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* ---- figures ----------------------------------------------------------------------------- */

/* Adds 1 to count wherever the point (x, y) of a row is inside a figure of radius r. */
typedef void figure_row(const int32_t *xs, const int32_t *ys, int32_t r, int32_t *count);

#define FIGURE(name, inside)                                                                       \
    static void name(const int32_t *xs, const int32_t *ys, int32_t r, int32_t *count)              \
    {                                                                                              \
        for (int i = 0; i < SIDE; i++) {                                                           \
            const int32_t x = xs[i], y = ys[i], ax = abs(x), ay = abs(y);                          \
            (void)ax, (void)ay;                                                                    \
            count[i] += (inside);                                                                  \
        }                                                                                          \
    }
#define WITHIN(r) (x * x + y * y < (r) * (r))
#define EVEN_BAND(x, width) (((x) + 2 * SIDE * UNIT) / (width) % 2 == 0)

FIGURE(disc, WITHIN(r))
FIGURE(ring, WITHIN(r) & !WITHIN(r * 5 / 8))
FIGURE(square, MAX(ax, ay) < r * 7 / 8)
FIGURE(frame, (MAX(ax, ay) < r * 7 / 8) & (MAX(ax, ay) >= r / 2))
FIGURE(triangle, (y > -r / 2) & (4 * y + 7 * ax < 4 * r))
FIGURE(cross, (MIN(ax, ay) < r / 4) & (MAX(ax, ay) < r))
FIGURE(bar, (ay < r / 4) & (ax < r))
FIGURE(crescent, WITHIN(r) & ((x - r / 2) * (x - r / 2) + y * y >= r * r / 2))
FIGURE(stripes, WITHIN(r) & EVEN_BAND(x, r / 3))
FIGURE(checks, WITHIN(r) & (EVEN_BAND(x, r / 2) == EVEN_BAND(y, r / 2)))

static const struct {
    const char *name;
    figure_row *row;
} classes[] = {{"disc", disc},         {"ring", ring},    {"square", square},     {"frame", frame},
               {"triangle", triangle}, {"cross", cross},  {"crescent", crescent}, {"bar", bar},
               {"stripes", stripes},   {"checks", checks}};
enum { N_CLASSES = sizeof classes / sizeof classes[0] };

/* ---- one image --------------------------------------------------------------------------- */

typedef struct drawing {
    uint64_t seed, stream, index; /* of the next random number */
    const int32_t *cosines;
    int32_t canvas[CHANNELS][SIDE][SIDE];
} drawing;

typedef struct pose {
    int32_t x, y, radius, cosine, sine;
} pose;

static int32_t pick(drawing *self, int32_t low, int32_t high)
{
    uint64_t n = (uint64_t)(high - low) + 1;
    return low + (int32_t)random_below(self->seed, self->stream, self->index++, n);
}

static void pick_colour(drawing *self, int32_t lightness, int32_t colour[CHANNELS])
{
    for (int c = 0; c < CHANNELS; c++)
        colour[c] = lightness + pick(self, -TINT, TINT);
}

static pose pick_pose(drawing *self, int32_t smallest, int32_t largest, int32_t away)
{
    /* Not in one initialiser, whose order of evaluation C leaves open. */
    pose p;
    p.radius = pick(self, smallest, largest);
    p.x = CENTRE + pick(self, -away, away);
    p.y = CENTRE + pick(self, -away, away);
    int32_t angle = pick(self, 0, ANGLES - 1);
    p.cosine = self->cosines[angle];
    p.sine = self->cosines[(angle + ANGLES * 3 / 4) % ANGLES];
    return p;
}

/* Four points to a pixel make soft edges. */
static void count_row(const pose *p, figure_row *inside, int row, int32_t count[SIDE])
{
    memset(count, 0, SIDE * sizeof *count);
    for (int k = 0; k < 4; k++) {
        int32_t xs[SIDE], ys[SIDE];
        int32_t dy = row * UNIT + UNIT / 4 + k / 2 * (UNIT / 2) - p->y;
        for (int i = 0; i < SIDE; i++) {
            int32_t dx = i * UNIT + UNIT / 4 + k % 2 * (UNIT / 2) - p->x;
            xs[i] = (dx * p->cosine + dy * p->sine) / COSINE_ONE;
            ys[i] = (dy * p->cosine - dx * p->sine) / COSINE_ONE;
        }
        inside(xs, ys, p->radius, count);
    }
}

static void paint_figure(drawing *self, figure_row *inside, pose p, const int32_t colour[CHANNELS])
{
    int reach = p.radius * 3 / 2 / UNIT + 1; /* no corner is further from the middle */
    int from = MAX(p.y / UNIT - reach, 0), to = MIN(p.y / UNIT + reach, SIDE - 1);
    for (int row = from; row <= to; row++) {
        int32_t count[SIDE];
        count_row(&p, inside, row, count);
        for (int c = 0; c < CHANNELS; c++) {
            int32_t *pixels = self->canvas[c][row];
            for (int i = 0; i < SIDE; i++)
                pixels[i] += (colour[c] - pixels[i]) * count[i] / 4;
        }
    }
}

static void paint_ground(drawing *self, const int32_t colour[CHANNELS])
{
    for (int c = 0; c < CHANNELS; c++) {
        int32_t slope_x = pick(self, -SLOPE, SLOPE), slope_y = pick(self, -SLOPE, SLOPE);
        for (int row = 0; row < SIDE; row++)
            for (int i = 0; i < SIDE; i++)
                self->canvas[c][row][i] =
                    colour[c] +
                    ((2 * i - SIDE) * slope_x + (2 * row - SIDE) * slope_y) / (2 * SIDE);
    }
}

static void add_noise(drawing *self, uint8_t image[IMAGE])
{
    const int32_t *canvas = &self->canvas[0][0][0];
    int32_t most = pick(self, NOISE_MIN, NOISE_MAX);
    for (int i = 0; i < IMAGE; i += 8) {
        uint64_t bits = random_u64(self->seed, self->stream, self->index++);
        for (int k = 0; k < 8; k++) { /* a number's eight bytes serve eight pixels */
            int32_t byte = (int32_t)(bits >> (8 * k) & 255);
            int32_t value = canvas[i + k] + (2 * byte - 255) * most / 256;
            image[i + k] = (uint8_t)MAX(0, MIN(value, 255));
        }
    }
}

static void draw_image(drawing *self, int label, uint8_t image[IMAGE])
{
    int32_t ground[CHANNELS], figure[CHANNELS], speck[CHANNELS];
    int32_t dark = pick(self, GROUND_MIN, GROUND_MAX);
    pick_colour(self, dark, ground);
    pick_colour(self, dark + pick(self, CONTRAST_MIN, CONTRAST_MAX), figure);
    paint_ground(self, ground);
    for (int k = 0; k < SPECKS; k++) {
        pick_colour(self, pick(self, 0, 255), speck);
        pose p = pick_pose(self, SPECK_MIN, SPECK_MAX, SPECK_AWAY);
        paint_figure(self, k % 2 ? bar : disc, p, speck);
    }
    pose p = pick_pose(self, FIGURE_MIN, FIGURE_MAX, FIGURE_AWAY);
    paint_figure(self, classes[label].row, p, figure);
    add_noise(self, image);
}

/* ---- the source -------------------------------------------------------------------------- */

static const char own_name[] = "synthetic";

typedef struct synthetic {
    uint64_t seed;
    int32_t cosines[ANGLES];
} synthetic;

/* The name alone, where nothing else is called so. */
static bool claims(const char *spec)
{
    return strcmp(spec, own_name) == 0 && access(spec, F_OK) != 0;
}

static bool parse_count(const char *text, size_t *n, error *err)
{
    text = strcmp(text, own_name) == 0 ? "" : text;
    size_t digits = strspn(text, "0123456789");
    *n = *text ? 0 : DEFAULT_TRAIN;
    if (!text[digits] && digits <= 8)
        for (size_t i = 0; i < digits; i++)
            *n = *n * 10 + (size_t)(text[i] - '0');
    if (*n >= 1 && *n <= MAX_TRAIN)
        return true;
    return error_user(err, "synthetic:%s: expected synthetic: or synthetic:n with n from 1 to %d",
                      text, MAX_TRAIN);
}

static void *open_synthetic(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                            error *err)
{
    size_t n;
    synthetic *self = parse_count(spec, &n, err) ? memory_new(1, sizeof *self, err) : NULL;
    if (!self)
        return NULL;
    self->seed = seed;
    for (int a = 0; a < ANGLES; a++)
        self->cosines[a] = (int32_t)lrint(COSINE_ONE * cos(a * 6.283185307179586 / ANGLES));
    *shape =
        (image_shape){.channels = CHANNELS, .height = SIDE, .width = SIDE, .n_classes = N_CLASSES};
    count[SPLIT_TRAIN] = n;
    count[SPLIT_TEST] = MAX(n / 5, MIN_TEST);
    return self;
}

/* Every ten images from a multiple of ten on are one of each class, in a random order. */
static int label_of(const synthetic *self, enum split split, size_t image)
{
    static const unsigned steps[] = {1, 3, 7, 9}; /* the units modulo ten */
    uint64_t stream = random_stream(RANDOM_SYNTHETIC, split + 2U, (uint32_t)(image / N_CLASSES));
    unsigned order = (unsigned)random_below(self->seed, stream, 0, 4 * N_CLASSES);
    unsigned place = (unsigned)(image % N_CLASSES);
    return (int)((place * steps[order / N_CLASSES] + order) % N_CLASSES);
}

static bool read_synthetic(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                           uint16_t *labels, error *err)
{
    (void)err;
    const synthetic *self = state;
    drawing canvas = {.seed = self->seed, .cosines = self->cosines};
    for (size_t i = 0; i < n; i++) {
        int label = label_of(self, split, first + i);
        labels[i] = (uint16_t)label;
        if (!images)
            continue;
        canvas.stream = random_stream(RANDOM_SYNTHETIC, split, (uint32_t)(first + i));
        canvas.index = 0;
        draw_image(&canvas, label, images + i * IMAGE);
    }
    return true;
}

static const char *class_name(const void *state, int c)
{
    (void)state;
    return classes[c].name;
}

/* synthetic:n, n drawn images of ten classes, made from the seed. */
const source_kind source_synthetic = {
    .name = own_name,
    .claims = claims,
    .open = open_synthetic,
    .read = read_synthetic,
    .class_name = class_name,
    .close = memory_free,
};
