#include "data/source.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line for each kind; the one that takes any folder is asked last. */
#define SOURCE_KINDS(KIND)                                                                         \
    KIND(source_synthetic)                                                                         \
    KIND(source_fashion_mnist)                                                                     \
    KIND(source_idx)                                                                               \
    KIND(source_cifar100)                                                                          \
    KIND(source_hdf5)                                                                              \
    KIND(source_mat)                                                                               \
    KIND(source_folder)                                                                            \
    KIND(source_npz)                                                                               \
    KIND(source_cifar100_coarse)                                                                   \
    KIND(source_cifar10)

#define DECLARE(kind) extern const source_kind kind;
#define LIST(kind) &kind,

SOURCE_KINDS(DECLARE)

const source_kind *const source_kinds[] = {SOURCE_KINDS(LIST) NULL};

struct source {
    const source_kind *kind;
    void *state;
    image_shape shape;
    size_t count[2];
    char *spec;
    char (*names)[SOURCE_NAME_BYTES]; /* of the classes */
};

/* ---- opening ----------------------------------------------------------------------------- */

static bool check_shape(const source *self, error *err)
{
    const image_shape *s = &self->shape;
    const int most = SOURCE_MAX_IMAGE_BYTES;
    if (s->channels < 1 || s->height < 1 || s->width < 1 || s->height > most / s->channels ||
        s->width > most / s->channels / s->height)
        return error_user(err, "%s: images of %d x %d x %d: at most %d values are expected",
                          self->spec, s->channels, s->height, s->width, most);
    if (s->n_classes < 1 || s->n_classes > SOURCE_MAX_CLASSES)
        return error_user(err, "%s: %d classes: expected 1 to %d", self->spec, s->n_classes,
                          SOURCE_MAX_CLASSES);
    return true;
}

static bool check_counts(const source *self, error *err)
{
    for (int split = 0; split < 2; split++)
        if (self->count[split] < 1 || self->count[split] > UINT32_MAX)
            return error_user(err, "%s: %zu %s images: expected 1 to %u", self->spec,
                              self->count[split], split == SPLIT_TEST ? "test" : "training",
                              UINT32_MAX);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* By its name a class is known to people, and to predict --evaluate. */
static bool check_names(const source *self, error *err)
{
    size_t n = (size_t)self->shape.n_classes, same = 1;
    char **sorted = memory_new(n, sizeof *sorted, err);
    if (!sorted)
        return false;
    for (size_t c = 0; c < n; c++)
        sorted[c] = self->names[c];
    qsort(sorted, n, sizeof *sorted, by_name);
    while (same < n && strcmp(sorted[same - 1], sorted[same]) != 0)
        same++;
    const char *a = same < n ? sorted[same - 1] : NULL, *b = a ? sorted[same] : NULL;
    memory_free(sorted);
    if (!a)
        return true;
    size_t first = (size_t)((a < b ? a : b) - self->names[0]) / sizeof *self->names,
           second = (size_t)((a < b ? b : a) - self->names[0]) / sizeof *self->names;
    return error_user(err, "%s: classes %zu and %zu are both called %s: rename one", self->spec,
                      first, second, a);
}

static bool name_classes(source *self, error *err)
{
    self->names = memory_new((size_t)self->shape.n_classes, sizeof *self->names, err);
    for (int c = 0; self->names && c < self->shape.n_classes; c++) {
        const char *name = self->kind->class_name(self->state, c);
        if (name)
            snprintf(self->names[c], sizeof *self->names, "%.*s",
                     (int)utf8_fit(name, strlen(name), SOURCE_NAME_BYTES - 1), name);
        else
            snprintf(self->names[c], sizeof *self->names, "class %d", c);
    }
    return self->names && check_names(self, err);
}

source *source_open_as(const source_kind *kind, const char *spec, uint64_t seed, error *err)
{
    source *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->kind = kind;
    self->spec = memory_new(strlen(spec) + 1, 1, err);
    if (self->spec && (self->state = kind->open(spec, seed, &self->shape, self->count, err))) {
        strcpy(self->spec, spec);
        if (check_shape(self, err) && check_counts(self, err) && name_classes(self, err))
            return self;
    }
    source_free(self);
    return NULL;
}

/* The kind whose name stands before a colon; *rest is what stands behind. */
static const source_kind *named_kind(const char *spec, const char **rest)
{
    size_t length = strcspn(spec, ":");
    *rest = spec + length + (spec[length] == ':');
    for (const source_kind *const *kind = source_kinds; *kind && spec[length]; kind++)
        if (strlen((*kind)->name) == length && strncmp((*kind)->name, spec, length) == 0)
            return *kind;
    return NULL;
}

source *source_open(const char *spec, uint64_t seed, error *err)
{
    const char *rest;
    const source_kind *named = named_kind(spec, &rest);
    if (named)
        return source_open_as(named, rest, seed, err);
    const source_kind *const *kind = source_kinds;
    while (*kind && !((*kind)->claims && (*kind)->claims(spec)))
        kind++;
    if (*kind)
        return source_open_as(*kind, spec, seed, err);
    error_user(err, "'%s': no known kind of data set", spec);
    return NULL;
}

void source_free(source *self)
{
    if (!self)
        return;
    if (self->state)
        self->kind->close(self->state);
    memory_free(self->names);
    memory_free(self->spec);
    memory_free(self);
}

/* ---- reading ----------------------------------------------------------------------------- */

const char *source_kind_name(const source *self)
{
    return self->kind->name;
}

image_shape source_shape(const source *self)
{
    return self->shape;
}

size_t source_count(const source *self, enum split split)
{
    return self->count[split];
}

const char *source_class_name(const source *self, int c)
{
    return c >= 0 && c < self->shape.n_classes ? self->names[c] : NULL;
}

void source_beyond(const source *self, int n_classes, char text[SOURCE_BEYOND_BYTES])
{
    *text = '\0';
    if (self->kind->beyond)
        self->kind->beyond(self->state, n_classes, text);
}

bool source_read(source *self, enum split split, size_t first, size_t n, uint8_t *images,
                 uint16_t *labels, error *err)
{
    assert(first <= self->count[split] && n <= self->count[split] - first);
    if (!self->kind->read(self->state, split, first, n, images, labels, err))
        return false;
    for (size_t i = 0; i < n; i++)
        if (labels[i] >= self->shape.n_classes)
            return error_user(err, "%s: %s image %zu: label %u, expected 0 to %d", self->spec,
                              split == SPLIT_TEST ? "test" : "training", first + i, labels[i],
                              self->shape.n_classes - 1);
    return true;
}
