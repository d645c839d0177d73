/*
 * views.h - several views of an image, by whose mean a test may go (test-time augmentation, --tta)
 *
 *   none     none
 *   mirror   the image and its mirror image
 *   shifts   the mean of that, and of the same of the image moved by a pixel to one corner and to the opposite one
 *   crops    the mean over the image moved by up to three pixels up or down and left or right, and mirror images: 98
 * Means of the logits; with crops of the probabilities, their softmax.  What comes in at a border is mirrored there.
 * Sources: K. Jordan, arXiv:2404.00498 (shifts); Krizhevsky, Sutskever and Hinton, NIPS 2012 (crops, theirs were ten).
 */
#ifndef BRAMBLE_DATA_VIEWS_H
#define BRAMBLE_DATA_VIEWS_H

#include "base/error.h"
#include "data/input.h"

#include <stddef.h>

enum views_kind { VIEWS_NONE, VIEWS_MIRROR, VIEWS_SHIFTS, VIEWS_CROPS };
enum { VIEWS_REACH = 3, VIEWS_MAX = 2 * (2 * VIEWS_REACH + 1) * (2 * VIEWS_REACH + 1) };

/* views_names - of the kinds, in their order, NULL-terminated */
extern const char *const views_names[];

typedef struct view {
    double share; /* in the mean; 1 together */
    int down, right;
    bool mirrored;
} view;

/* Not to be moved once made. */
typedef struct views {
    view all[VIEWS_MAX]; /* n, the first the image itself; 0: there are none */
    int n;
    bool probabilities;         /* of which the mean is taken */
    view now;                   /* as which the rule shows images */
    augmentation shift, mirror; /* what it is made with */
    input_rule rule;
} views;

/* views_check - can such images be seen so?  false with err (user): those of too few rows or columns cannot be moved */
bool views_check(enum views_kind kind, image_shape shape, error *err);

/*
 * views_init - for batches of at most max_images
 * false with err: memory.  views_release frees it, also after failure.  Not collective.
 */
bool views_init(views *self, enum views_kind kind, const input_values *of, size_t max_images,
                error *err);
void views_release(views *self);

/* views_show - the rule by which images are seen as view k, until it is asked for another */
const input_rule *views_show(views *self, int k);

/*
 * What all views of an image say together; not collective, nothing fails
 * views_add    - add what view k says; without views, the image alone
 *   logits  inout  [n_classes]: the view's; what is left in it has no meaning
 *   mean    inout  [n_classes]: zeros at first; the largest, when all have been added, is the class
 * views_shares - then make the probability of each class of the mean, 1 together
 */
void views_add(const views *self, int k, int n_classes, double *logits, double *mean);
void views_shares(const views *self, int n_classes, double *mean);

#endif
