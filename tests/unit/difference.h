/*
 * difference.h - for the tests of gradients: a gradient against central differences
 *
 * A difference quotient has an error of its own: from rounding, known from the size of what is
 * subtracted, and from curvature and kinks, seen by how much it still changes when the step gets smaller
 * and how much it differs between the two sides.
 * Of several steps the one with the least uncertain quotient counts.  A gradient is wrong when it is
 * further away than that; and the check is worth something only when the uncertainty is small.
 */
#ifndef BRAMBLE_TESTS_DIFFERENCE_H
#define BRAMBLE_TESTS_DIFFERENCE_H

#include "blocks.h"

/* A function of a vector x, and what is known about its values' rounding. */
typedef struct function {
    double (*value)(void *arg,
                    double *magnitude); /* magnitude: 2^-24 of it is the value's rounding */
    void *arg;
    float *x;
    size_t n;
    const float *g; /* the gradient in question */
    const char *what;
    int n_checks, n_sharp;
} function;

enum { STEPS = 9, FEW = 6 };

/* The quotient for a step, and what it should be for the step as it was after rounding. */
typedef struct quotient {
    double got, want, rounding, asymmetry; /* asymmetry: half of what the two sides differ by */
} quotient;

static inline quotient take_quotient(const function *f, const float *start, const double *direction,
                                     double h)
{
    double side[2], magnitude, middle = f->value(f->arg, &magnitude);
    quotient q = {0};
    for (int k = 0; k < 2; k++) {
        for (size_t j = 0; j < f->n; j++) {
            f->x[j] = (float)((double)start[j] + (k ? h : -h) * direction[j]);
            q.want += (double)f->g[j] * fabs((double)f->x[j] - (double)start[j]) *
                      (direction[j] < 0.0 ? -1.0 : 1.0);
        }
        side[k] = f->value(f->arg, &magnitude);
    }
    memcpy(f->x, start, f->n * sizeof *start);
    q.got = (side[1] - side[0]) / (2.0 * h);
    q.want /= 2.0 * h;
    q.rounding = ROUNDING * magnitude / h;
    q.asymmetry = fabs(side[0] - 2.0 * middle + side[1]) / (2.0 * h);
    return q;
}

typedef struct comparison {
    double want, got, tolerance;
} comparison;

static inline comparison compare(const function *f, const double *direction)
{
    quotient q[STEPS];
    comparison best = {.tolerance = INFINITY};
    float *start = guarded_new(f->n * sizeof *start);
    memcpy(start, f->x, f->n * sizeof *start);
    for (int k = 0; k < STEPS; k++)
        q[k] = take_quotient(f, start, direction, ldexp(1.0, -4 - k));
    for (int k = 0; k + 2 < STEPS; k++) {
        double change = 0.0, asymmetry = q[k].asymmetry;
        for (int j = k + 1; j < STEPS; j++) {
            double moved = fabs((q[j].got - q[j].want) - (q[k].got - q[k].want));
            change = fmax(change, moved - q[j].rounding);
            asymmetry = fmax(asymmetry, q[j].asymmetry - q[j].rounding);
        }
        double tolerance = FEW * (change + q[k].rounding + asymmetry);
        if (tolerance < best.tolerance)
            best = (comparison){q[k].want, q[k].got, tolerance};
    }
    guarded_free(start);
    return best;
}

static inline bool agrees(comparison c)
{
    return fabs(c.got - c.want) <= c.tolerance; /* NaN does not */
}

/* size: of a usual slope; sharp is a check that would have seen an error of a tenth of it */
static inline void check_direction(function *f, const double *direction, double size)
{
    comparison c = compare(f, direction);
    if (!agrees(c))
        fail_msg("%s: slope %.9g, difference quotient %.9g +- %.2g", f->what, c.want, c.got,
                 c.tolerance);
    f->n_checks++;
    f->n_sharp += c.tolerance < 0.1 * fmax(fabs(c.want), size);
}

/* Along the gradient itself, along random directions, along single elements. */
static inline void check_gradient(function *f)
{
    double *direction = doubles_new(f->n), norm = 0.0;
    for (size_t k = 0; k < f->n; k++)
        norm += (double)f->g[k] * (double)f->g[k];
    norm = sqrt(norm);
    assert_true(norm > 0.0);
    double size = norm / sqrt((double)f->n);
    for (size_t k = 0; k < f->n; k++)
        direction[k] = (double)f->g[k] / norm;
    check_direction(f, direction, size);
    for (int turn = 0; turn < 4; turn++) {
        for (size_t k = 0; k < f->n; k++)
            direction[k] = draw(-1, 1) / sqrt((double)f->n);
        check_direction(f, direction, size);
    }
    for (int turn = 0; turn < 7; turn++) {
        memset(direction, 0, f->n * sizeof *direction);
        direction[draw(0, (int)f->n - 1)] = 1.0;
        check_direction(f, direction, size);
    }
    guarded_free(direction);
}

static inline void assert_sharp(const function *f)
{
    if (f->n_sharp * 10 < f->n_checks * 6)
        fail_msg("%s: only %d of %d checks say anything", f->what, f->n_sharp, f->n_checks);
}

#endif
