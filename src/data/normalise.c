#include "data/normalise.h"

#include "base/memory.h"
#include "data/partition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words and numbers ------------------------------------------------------------------------- */

static const float LEAST_DEVIATION = 0.001F, MOST_DEVIATION = 1000.0F;

bool normalise_is_measured(const char *text)
{
    return strcmp(text, "measured") == 0;
}

static bool is_half(const char *text)
{
    return strcmp(text, "half") == 0;
}

/*
 * Numbers with commas between them.
 *   values  out  the first n, or NULL
 * Returns how many there are, and where they end; 0: one is none, or not within the bounds.
 */
static size_t read_numbers(const char **text, float low, float high, float *values, size_t n)
{
    for (size_t count = 0;; *text += 1) {
        char *end = NULL;
        size_t length = strspn(*text, "0123456789.eE-+");
        float value = length > 0 ? strtof(*text, &end) : 0.0F;
        if (length == 0 || end != *text + length || !(value >= low && value <= high))
            return 0;
        if (values && count < n)
            values[count] = value;
        count++;
        *text = end;
        if (*end != ',')
            return count;
    }
}

/* Returns how many channels there are numbers of; 0: it is something else. */
static size_t read_values(const char *text, float *mean, float *deviation, size_t n)
{
    size_t n_means = read_numbers(&text, 0.0F, 1.0F, mean, n);
    if (n_means == 0 || *text++ != '/')
        return 0;
    size_t n_deviations = read_numbers(&text, LEAST_DEVIATION, MOST_DEVIATION, deviation, n);
    return n_deviations == n_means && !*text ? n_means : 0;
}

bool normalise_check(const char *text, error *err)
{
    return is_half(text) || normalise_is_measured(text) || read_values(text, NULL, NULL, 0) > 0 ||
           error_user(
               err,
               "expected half, measured, or numbers M1,M2,.../D1,D2,...: of each channel the "
               "mean, 0 to 1, and the deviation, %g to %g",
               (double)LEAST_DEVIATION, (double)MOST_DEVIATION);
}

bool normalise_set(input_values *self, const char *text, error *err)
{
    size_t n = (size_t)self->from.channels;
    if (!normalise_check(text, err))
        return false;
    if (is_half(text)) {
        for (size_t k = 0; k < n; k++)
            self->mean[k] = self->deviation[k] = 0.5F;
        return true;
    }
    size_t n_given = read_values(text, self->mean, self->deviation, n);
    return n_given == n || error_user(err, "numbers of %zu channel%s, but the images have %zu",
                                      n_given, n_given == 1 ? "" : "s", n);
}

bool normalise_write(const input_values *self, char *text, size_t n_bytes, error *err)
{
    enum { LONGEST = 18 }; /* of a number and what stands before it */
    size_t n = (size_t)self->from.channels, used = 0;
    if (2 * n * LONGEST > n_bytes)
        return error_user(err, "images of %zu channels have too many numbers to be measured", n);
    for (size_t k = 0; k < 2 * n; k++)
        used += (size_t)snprintf(text + used, n_bytes - used, "%s%.9g",
                                 k == 0   ? ""
                                 : k == n ? "/"
                                          : ",",
                                 k < n ? (double)self->mean[k] : (double)self->deviation[k - n]);
    return true;
}

/* ---- measuring --------------------------------------------------------------------------------- */

typedef struct sums {
    uint64_t sum, square; /* of the bytes of a channel */
} sums;

static void add_plane(sums *to, const uint8_t *plane, size_t n)
{
    uint64_t sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        sum += plane[i];
        square += (uint64_t)plane[i] * plane[i];
    }
    to->sum += sum;
    to->square += square;
}

static void conclude(input_values *self, const sums *all, size_t n_images)
{
    double n = (double)n_images * (double)self->from.height * (double)self->from.width;
    for (int c = 0; c < self->from.channels; c++) {
        double mean = (double)all[c].sum / n;
        double variance = (double)all[c].square / n - mean * mean;
        self->mean[c] = (float)(mean / 255.0);
        self->deviation[c] = (float)(sqrt(variance > 1.0 ? variance : 1.0) / 255.0);
    }
}

bool normalise_measure(input_values *self, source *from, const uint32_t *owner, size_t n,
                       error *err)
{
    enum { PIECE = 256 };
    size_t n_images = 0, plane = (size_t)self->from.height * (size_t)self->from.width;
    dataset piece = {.n = 0};
    sums *all = memory_new((size_t)self->from.channels, sizeof *all, err);
    bool good = all && dataset_init(&piece, self->from, n < PIECE ? n : PIECE, err);
    for (size_t first = 0, step; good && first < n; first += step) {
        step = n - first < PIECE ? n - first : PIECE;
        good = source_read(from, SPLIT_TRAIN, first, step, piece.images, piece.labels, err);
        for (size_t i = 0; good && i < step; i++) {
            if (owner[first + i] == PARTITION_NOBODY)
                continue;
            n_images++;
            for (size_t c = 0; c < (size_t)self->from.channels; c++)
                add_plane(&all[c], piece.images + (i * (size_t)self->from.channels + c) * plane,
                          plane);
        }
    }
    if (good)
        conclude(self, all, n_images);
    dataset_release(&piece);
    memory_free(all);
    return good;
}
