/*
 * views.h - several views of an image, whose logits a test may average (test-time augmentation, --tta)
 *
 *   none     none
 *   mirror   the image and its mirror image
 *   shifts   the mean of that, and of the same of the image moved by a pixel to one corner and to the opposite one,
 *            where what comes in is mirrored at the border
 * Source: K. Jordan, arXiv:2404.00498 (shifts).
 */
#ifndef BRAMBLE_DATA_VIEWS_H
#define BRAMBLE_DATA_VIEWS_H

#include "base/error.h"
#include "data/input.h"

#include <stddef.h>

enum views_kind { VIEWS_NONE, VIEWS_MIRROR, VIEWS_SHIFTS };
enum { VIEWS_MAX = 6 };

/* views_names - of the kinds, in their order, NULL-terminated */
extern const char *const views_names[];

/* Not to be moved once made. */
typedef struct views {
    augmentation mirror, shift[2]; /* what its rules are made with */
    int moved[2];
    int n;
    float share[VIEWS_MAX];     /* of a view in the mean; 1 together */
    input_rule rule[VIEWS_MAX]; /* serve one batch at a time */
} views;

/* views_check - can such images be seen so?  false with err (user): of a single row or column they cannot be shifted */
bool views_check(enum views_kind kind, image_shape shape, error *err);

/*
 * views_init - for batches of at most max_images
 * false with err: memory.  views_release frees it, also after failure.  Not collective.
 */
bool views_init(views *self, enum views_kind kind, const input_values *of, size_t max_images,
                error *err);
void views_release(views *self);

#endif
