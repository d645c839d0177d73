#include "data/views.h"

#include "pixels.h"

const char *const views_names[] = {"none", "mirror", "shifts", NULL};

/* ---- what is done to an image; settings: by how much it is moved --------------------------------- */

static void shift(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                  uint8_t *made)
{
    (void)key;
    const int *by = self->settings;
    pixels_shift(from, *by, *by, true, image, made);
}

static void mirror(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                   uint8_t *made)
{
    (void)self;
    (void)key;
    pixels_mirror(from, image, made);
}

/* ---- the views ----------------------------------------------------------------------------------- */

typedef struct view {
    float share;
    int shift;
    bool mirrored;
} view;

static const struct {
    int n;
    view all[VIEWS_MAX];
} kinds[] = {
    [VIEWS_NONE] = {0, {{0}}},
    [VIEWS_MIRROR] = {2, {{0.5F, 0, false}, {0.5F, 0, true}}},
    [VIEWS_SHIFTS] = {6,
                      {{0.25F, 0, false},
                       {0.25F, 0, true},
                       {0.125F, -1, false},
                       {0.125F, -1, true},
                       {0.125F, 1, false},
                       {0.125F, 1, true}}},
};

static bool init_rule(input_rule *self, const view *as, const input_values *of,
                      const augmentation *how[2], size_t max_images, error *err)
{
    return input_rule_init(self, of, err) &&
           (as->shift == 0 || input_rule_augment(self, how[0], 0, max_images, err)) &&
           (!as->mirrored || input_rule_augment(self, how[1], 0, max_images, err));
}

bool views_check(enum views_kind kind, image_shape shape, error *err)
{
    return kind != VIEWS_SHIFTS || (shape.height > 1 && shape.width > 1) ||
           error_user(err, "--tta %s: images of %d x %d cannot be shifted", views_names[kind],
                      shape.height, shape.width);
}

bool views_init(views *self, enum views_kind kind, const input_values *of, size_t max_images,
                error *err)
{
    *self = (views){.n = kinds[kind].n, .moved = {-1, 1}};
    const image_shape *shape = &of->from;
    self->mirror = (augmentation){shape->height, shape->width, mirror, NULL};
    for (int k = 0; k < 2; k++)
        self->shift[k] = (augmentation){shape->height, shape->width, shift, &self->moved[k]};
    for (int k = 0; k < self->n; k++) {
        const view *as = &kinds[kind].all[k];
        const augmentation *how[2] = {&self->shift[as->shift > 0], &self->mirror};
        self->share[k] = as->share;
        if (!init_rule(&self->rule[k], as, of, how, max_images, err))
            return false;
    }
    return true;
}

void views_release(views *self)
{
    for (int k = 0; k < self->n; k++)
        input_rule_release(&self->rule[k]);
    *self = (views){0};
}
