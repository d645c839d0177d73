#include "data/views.h"

#include "pixels.h"

#include <math.h>
#include <string.h>

const char *const views_names[] = {"none", "mirror", "shifts", "crops", NULL};

/* ---- what is done to an image; settings: the view ------------------------------------------------ */

static void shift(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                  uint8_t *made)
{
    (void)key;
    const view *as = self->settings;
    pixels_shift(from, as->down, as->right, true, image, made);
}

static void mirror(const augmentation *self, input_key key, image_shape from, const uint8_t *image,
                   uint8_t *made)
{
    (void)key;
    const view *as = self->settings;
    if (as->mirrored)
        pixels_mirror(from, image, made);
    else
        memcpy(made, image, image_bytes(from));
}

/* ---- the views ----------------------------------------------------------------------------------- */

/* An image so moved, and its mirror image. */
static void add(views *self, double share, int down, int right)
{
    for (int k = 0; k < 2; k++)
        self->all[self->n++] = (view){share, down, right, k == 1};
}

static void add_crops(views *self)
{
    const double share = 1.0 / VIEWS_MAX;
    add(self, share, 0, 0);
    for (int down = -VIEWS_REACH; down <= VIEWS_REACH; down++)
        for (int right = -VIEWS_REACH; right <= VIEWS_REACH; right++)
            if (down != 0 || right != 0)
                add(self, share, down, right);
}

static void add_all(views *self, enum views_kind kind)
{
    if (kind == VIEWS_MIRROR) {
        add(self, 0.5, 0, 0);
    } else if (kind == VIEWS_SHIFTS) {
        add(self, 0.25, 0, 0);
        add(self, 0.125, -1, -1);
        add(self, 0.125, 1, 1);
    } else if (kind == VIEWS_CROPS) {
        add_crops(self);
    }
}

bool views_check(enum views_kind kind, image_shape shape, error *err)
{
    int reach = kind == VIEWS_CROPS ? VIEWS_REACH : kind == VIEWS_SHIFTS ? 1 : 0;
    return (shape.height > reach && shape.width > reach) ||
           error_user(err, "--tta %s: images of %d x %d cannot be moved by %d", views_names[kind],
                      shape.height, shape.width, reach);
}

bool views_init(views *self, enum views_kind kind, const input_values *of, size_t max_images,
                error *err)
{
    const image_shape *shape = &of->from;
    *self = (views){.shift = {shape->height, shape->width, shift, &self->now},
                    .mirror = {shape->height, shape->width, mirror, &self->now}};
    self->probabilities = kind == VIEWS_CROPS;
    add_all(self, kind);
    return self->n == 0 || (input_rule_init(&self->rule, of, err) &&
                            input_rule_augment(&self->rule, &self->shift, 0, max_images, err) &&
                            input_rule_augment(&self->rule, &self->mirror, 0, max_images, err));
}

void views_release(views *self)
{
    input_rule_release(&self->rule);
    *self = (views){0};
}

const input_rule *views_show(views *self, int k)
{
    self->now = self->all[k];
    return &self->rule;
}

/* ---- their mean ---------------------------------------------------------------------------------- */

static void softmax(int n_classes, double *x)
{
    double largest = x[0], sum = 0.0;
    for (int c = 1; c < n_classes; c++)
        largest = fmax(largest, x[c]);
    for (int c = 0; c < n_classes; c++)
        sum += x[c] = exp(x[c] - largest);
    for (int c = 0; c < n_classes; c++)
        x[c] /= sum;
}

void views_add(const views *self, int k, int n_classes, double *logits, double *mean)
{
    const double share = self->n > 0 ? self->all[k].share : 1.0;
    if (self->probabilities)
        softmax(n_classes, logits);
    for (int c = 0; c < n_classes; c++)
        mean[c] += share * logits[c];
}

void views_shares(const views *self, int n_classes, double *mean)
{
    if (!self->probabilities)
        softmax(n_classes, mean);
}
