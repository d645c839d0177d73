#include "base/memory.h"
#include "base/utf8.h"
#include "data/source.h"
#include "data_parts.h"
#include "show/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PIECE_IMAGES = 256, NAME_WIDTH = 24 };

static const char *const split_names[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "test"};

/* What was counted; the sums are of training images, whole numbers that 64 bits hold. */
typedef struct survey {
    source *from;
    image_shape shape;
    size_t *counts[2];        /* of each class */
    uint64_t *sums, *squares; /* of each channel */
    dataset piece;
} survey;

static bool survey_init(survey *self, const data_options *o, error *err)
{
    self->from = source_open(o->data, o->seed, err);
    if (!self->from)
        return false;
    self->shape = source_shape(self->from);
    size_t n_classes = (size_t)self->shape.n_classes, n_channels = (size_t)self->shape.channels;
    for (int k = 0; k < 2; k++)
        if (!(self->counts[k] = memory_new(n_classes, sizeof *self->counts[k], err)))
            return false;
    self->sums = memory_new(n_channels, sizeof *self->sums, err);
    self->squares = memory_new(n_channels, sizeof *self->squares, err);
    return self->sums && self->squares &&
           dataset_init(&self->piece, self->shape, PIECE_IMAGES, err);
}

static void survey_release(survey *self)
{
    dataset_release(&self->piece);
    memory_free(self->squares);
    memory_free(self->sums);
    memory_free(self->counts[0]);
    memory_free(self->counts[1]);
    source_free(self->from);
}

static void add_image(survey *self, const uint8_t *image)
{
    size_t n = (size_t)self->shape.height * (size_t)self->shape.width;
    for (int c = 0; c < self->shape.channels; c++)
        for (size_t i = 0; i < n; i++) {
            uint64_t value = *image++;
            self->sums[c] += value;
            self->squares[c] += value * value;
        }
}

static bool survey_take(survey *self, enum split split, error *err)
{
    size_t count = source_count(self->from, split), bytes = image_bytes(self->shape);
    for (size_t first = 0, n; first < count; first += n) {
        n = count - first < PIECE_IMAGES ? count - first : PIECE_IMAGES;
        if (!source_read(self->from, split, first, n, self->piece.images, self->piece.labels, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            self->counts[split][self->piece.labels[i]]++;
            if (split == SPLIT_TRAIN)
                add_image(self, self->piece.images + i * bytes);
        }
    }
    return true;
}

/* Of values from 0 to 1. */
static double mean_of(const survey *self, int c, double *deviation)
{
    double n =
        (double)source_count(self->from, SPLIT_TRAIN) * self->shape.height * self->shape.width;
    double mean = (double)self->sums[c] / n;
    *deviation = sqrt(fmax(0.0, (double)self->squares[c] / n - mean * mean)) / 255.0;
    return mean / 255.0;
}

static void print_text(const survey *self, const data_options *o)
{
    const image_shape *s = &self->shape;
    printf("%s: %s, %zu training and %zu test images of %d x %d x %d, %d class%s\n\n", o->data,
           source_kind_name(self->from), source_count(self->from, SPLIT_TRAIN),
           source_count(self->from, SPLIT_TEST), s->channels, s->height, s->width, s->n_classes,
           s->n_classes == 1 ? "" : "es");
    printf("channel        mean  deviation   (training images, values from 0 to 1)\n");
    for (int c = 0; c < s->channels; c++) {
        double deviation, mean = mean_of(self, c, &deviation);
        printf("%-12d %6.4f     %6.4f\n", c, mean, deviation);
    }
    printf("\n%-*s %9s %9s\n", NAME_WIDTH, "class", "train", "test");
    for (int c = 0; c < s->n_classes; c++) {
        const char *name = source_class_name(self->from, c);
        size_t n_bytes, n = utf8_count(name, SOURCE_NAME_BYTES, &n_bytes);
        printf("%s%*s %9zu %9zu\n", name, n < NAME_WIDTH ? NAME_WIDTH - (int)n : 0, "",
               self->counts[SPLIT_TRAIN][c], self->counts[SPLIT_TEST][c]);
    }
}

static json_t *classes_json(const survey *self)
{
    json_t *all = json_array();
    for (int c = 0; c < self->shape.n_classes; c++) {
        json_t *one = json_object();
        json_object_set_new(one, "name", json_string(source_class_name(self->from, c)));
        for (int k = 0; k < 2; k++)
            json_object_set_new(one, split_names[k], json_integer((json_int_t)self->counts[k][c]));
        json_array_append_new(all, one);
    }
    return all;
}

static bool print_json(const survey *self, const data_options *o, error *err)
{
    json_t *root = json_object(), *means = json_array(), *deviations = json_array();
    for (int c = 0; c < self->shape.channels; c++) {
        double deviation, mean = mean_of(self, c, &deviation);
        json_array_append_new(means, output_number(mean));
        json_array_append_new(deviations, output_number(deviation));
    }
    json_object_set_new(root, "data", json_string(o->data));
    json_object_set_new(root, "kind", json_string(source_kind_name(self->from)));
    for (int k = 0; k < 2; k++)
        json_object_set_new(root, split_names[k],
                            json_integer((json_int_t)source_count(self->from, (enum split)k)));
    json_object_set_new(root, "channels", json_integer(self->shape.channels));
    json_object_set_new(root, "height", json_integer(self->shape.height));
    json_object_set_new(root, "width", json_integer(self->shape.width));
    json_object_set_new(root, "mean", means);
    json_object_set_new(root, "deviation", deviations);
    json_object_set_new(root, "classes", classes_json(self));
    return output_json(root, stdout, err);
}

bool data_info(const data_options *options, error *err)
{
    survey self = {0};
    bool good = survey_init(&self, options, err) && survey_take(&self, SPLIT_TRAIN, err) &&
                survey_take(&self, SPLIT_TEST, err);
    if (good && options->json)
        good = print_json(&self, options, err);
    else if (good)
        print_text(&self, options);
    survey_release(&self);
    return good;
}
