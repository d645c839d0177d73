#include "data/augment.h"

#include "base/random.h"
#include "pixels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what chance says -------------------------------------------------------------------------- */

/* Number k of a change to an image: below n. */
static int64_t draw(const augment_change *of, input_key key, uint32_t k, int64_t n)
{
    uint64_t stream = random_stream(RANDOM_AUGMENT, of->number, key.epoch);
    return (int64_t)random_below(key.seed, stream, (uint64_t)key.image << 32 | k, (uint64_t)n);
}

/* The same, from -most to most. */
static int64_t draw_either_way(const augment_change *of, input_key key, uint32_t k, int64_t most)
{
    return draw(of, key, k, 2 * most + 1) - most;
}

/* ---- the changes ------------------------------------------------------------------------------- */

static void flip(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                 uint8_t *made)
{
    const augment_change *my = self->settings;
    uint32_t turns = my->variant ? key.epoch : 0;
    key.epoch -= turns;
    if (((uint32_t)draw(my, key, 0, 2) + turns) % 2 == 1)
        pixels_mirror(from, image, made);
    else
        memcpy(made, image, image_bytes(from));
}

static void crop(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                 uint8_t *made)
{
    const augment_change *my = self->settings;
    int dy = (int)draw_either_way(my, key, 0, my->amount);
    int dx = (int)draw_either_way(my, key, 1, my->amount);
    pixels_shift(from, dy, dx, my->variant, image, made);
}

static void cutout(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                   uint8_t *made)
{
    const augment_change *my = self->settings;
    int y = (int)draw(my, key, 0, from.height), x = (int)draw(my, key, 1, from.width);
    pixels_cut(from, y, x, (int)my->amount, my->mean, image, made);
}

static void color(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                  uint8_t *made)
{
    const augment_change *my = self->settings;
    int64_t brightness = 65536 + draw_either_way(my, key, 0, my->amount);
    int64_t contrast = 65536 + draw_either_way(my, key, 1, my->amount);
    pixels_color(from, brightness, contrast, image, made);
}

static void rotate(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                   uint8_t *made)
{
    const augment_change *my = self->settings;
    pixels_rotate(from, draw_either_way(my, key, 0, my->amount), image, made);
}

/* ---- what can be asked for --------------------------------------------------------------------- */

enum { MOST_PIXELS = 1024, MIXUP_UNIT = 1 << 20 };

static const struct kind {
    const char *name, *variant; /* "flip", "alternate" */
    double most, unit;          /* of the amount, 0: it has none; and what an amount of 1 becomes */
    bool whole;
    void (*apply)(const augmentation *, input_key, image_shape, const uint8_t *, uint8_t *);
    uint32_t number;
} kinds[] = {
    {"flip", "alternate", 0, 0, false, flip, 1},
    {"crop", "reflect", MOST_PIXELS, 1, true, crop, 2},
    {"cutout", NULL, MOST_PIXELS, 1, true, cutout, 3},
    {"color", NULL, 1, 65536, false, color, 4},
    {"rotate", NULL, 180, 67108864 * M_PI / 180, false, rotate, 5},
    {"mixup", NULL, 16, MIXUP_UNIT, false, NULL, INPUT_MIXUP},
};

enum { WORD_BYTES = 32 };

/* The next word of a list, up to a colon, a comma or the end; returns what stands behind it. */
static const char *take_word(const char *list, char word[WORD_BYTES])
{
    size_t length = strcspn(list, ":,"), n = length < WORD_BYTES ? length : WORD_BYTES - 1;
    memcpy(word, list, n);
    word[n] = '\0';
    return list + length;
}

static bool read_amount(const struct kind *kind, const char *word, int64_t *amount, error *err)
{
    char *end = NULL;
    bool plain = *word && !word[strspn(word, kind->whole ? "0123456789" : "0123456789.eE-")];
    double value = plain ? strtod(word, &end) : 0.0;
    *amount = plain && !*end && value <= kind->most ? llround(value * kind->unit) : 0;
    return *amount > 0 ||
           error_user(err, "%s%s%s: expected %s:N, N a%s number above 0, at most %g", kind->name,
                      *word ? ":" : "", word, kind->name, kind->whole ? " whole" : "", kind->most);
}

static const struct kind *find_kind(const char *word, error *err)
{
    char names[128] = "";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, word) == 0)
            return &kinds[i];
        strcat(strcat(names, i > 0 ? ", " : ""), kinds[i].name);
    }
    error_user(err, "\"%s\" is no change; there are %s", word, names);
    return NULL;
}

/* One change of a list, from its name to the comma behind it. */
static const char *parse_change(augment *self, const char *list, error *err)
{
    char word[WORD_BYTES];
    augment_change *change = &self->change[self->n];
    list = take_word(list, word);
    const struct kind *kind = find_kind(word, err);
    if (!kind)
        return NULL;
    *change = (augment_change){.number = kind->number};
    word[0] = '\0';
    if (kind->most > 0 && *list == ':')
        list = take_word(list + 1, word);
    if (kind->most > 0 && !read_amount(kind, word, &change->amount, err))
        return NULL;
    if (kind->variant && *list == ':') {
        list = take_word(list + 1, word);
        change->variant = strcmp(word, kind->variant) == 0;
        if (!change->variant) {
            error_user(err, "%s: expected %s, not \"%s\"", kind->name, kind->variant, word);
            return NULL;
        }
    }
    self->how[self->n] = (augmentation){.apply = kind->apply};
    self->name[self->n++] = kind->name;
    return list;
}

bool augment_parse(augment *self, const char *list, error *err)
{
    *self = (augment){.n = 0};
    while (*list) {
        if (self->n == INPUT_MAX_CHANGES)
            return error_user(err, "more than %d changes", INPUT_MAX_CHANGES);
        list = parse_change(self, list, err);
        if (!list)
            return false;
        for (int i = 0; i < self->n - 1; i++)
            if (self->name[i] == self->name[self->n - 1])
                return error_user(err, "%s: given twice", self->name[i]);
        if (*list == ':')
            return error_user(err, "%s: nothing can follow with \"%s\"", self->name[self->n - 1],
                              list);
        if (*list == ',' && !*++list)
            return error_user(err, "a comma with nothing behind it");
    }
    return true;
}

bool augment_fit(augment *self, const input_values *of, error *err)
{
    const image_shape *shape = &of->from;
    int64_t side = shape->height < shape->width ? shape->height : shape->width;
    for (int i = 0; i < self->n; i++) {
        augment_change *change = &self->change[i];
        if (self->how[i].apply == crop && change->amount >= side)
            return error_user(err, "crop:%lld: images of %d x %d are too small",
                              (long long)change->amount, shape->height, shape->width);
        if (!self->how[i].apply)
            mixup_init(&self->mix, (double)change->amount / MIXUP_UNIT);
        change->mean = of->mean;
        self->how[i].height = shape->height;
        self->how[i].width = shape->width;
        self->how[i].settings = change;
    }
    return true;
}

bool augment_rule(const augment *self, input_rule *rule, uint64_t seed, size_t max_images,
                  error *err)
{
    bool mixes = false;
    for (int i = 0; i < self->n; i++) {
        mixes = mixes || !self->how[i].apply;
        if (self->how[i].apply && !input_rule_augment(rule, &self->how[i], seed, max_images, err))
            return false;
    }
    return !mixes || input_rule_mix(rule, &self->mix, seed, max_images, err);
}
