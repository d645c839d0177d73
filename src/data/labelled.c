#include "labelled.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    TEST_SHARE = 6,
    SPLIT_SEED = 1
}; /* a sixth, as CIFAR-10's and MNIST's authors have set aside */
enum { NAMES_FILE_BYTES = 1 << 16 };

/* ---- made and released ------------------------------------------------------------------------ */

labelled *labelled_new(error *err)
{
    return memory_new(1, sizeof(labelled), err);
}

void labelled_free(void *state)
{
    labelled *self = state;
    for (int k = 0; self && k < 2; k++) {
        if (self->sets[k].from)
            self->sets[k].close(self->sets[k].from);
        memory_free(self->sets[k].labels);
        memory_free(self->places[k]);
    }
    if (self)
        memory_free(self->names);
    memory_free(self);
}

void *labelled_opened(labelled *self, image_shape *shape, size_t count[2])
{
    if (self) {
        *shape = self->shape;
        memcpy(count, self->count, sizeof self->count);
    }
    return self;
}

/* ---- classes and splits ----------------------------------------------------------------------- */

static void count_classes(labelled *self)
{
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < self->sets[k].n; i++)
            if (self->sets[k].labels[i] >= self->shape.n_classes)
                self->shape.n_classes = self->sets[k].labels[i] + 1;
}

/* Places by class; those of class c are from starts[c] on, to starts[c + 1]. */
static void sort_by_class(const labelled_set *set, int n_classes, size_t *starts, uint32_t *places)
{
    for (size_t i = 0; i < set->n; i++)
        starts[set->labels[i] + 1]++;
    for (int c = 0; c < n_classes; c++)
        starts[c + 1] += starts[c];
    for (size_t i = set->n; i-- > 0;)
        places[--starts[set->labels[i] + 1]] = (uint32_t)i;
    memmove(starts, starts + 1, (size_t)n_classes * sizeof *starts);
    starts[n_classes] = set->n;
}

static void shuffle_class(unsigned c, uint32_t *places, size_t n)
{
    uint64_t stream = random_stream(RANDOM_SPLIT, c, 0);
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)random_below(SPLIT_SEED, stream, i, i);
        uint32_t place = places[k];
        places[k] = places[i - 1];
        places[i - 1] = place;
    }
}

static void split_set(labelled *self, size_t *starts, uint32_t *places, uint8_t *is_test)
{
    const labelled_set *set = &self->sets[0];
    sort_by_class(set, self->shape.n_classes, starts, places);
    for (int c = 0; c < self->shape.n_classes; c++) {
        size_t n = starts[c + 1] - starts[c], n_test = (n + TEST_SHARE / 2) / TEST_SHARE;
        n_test = n_test == 0 && n > 1 ? 1 : n_test;
        shuffle_class((unsigned)c, places + starts[c], n);
        for (size_t i = 0; i < n_test; i++)
            is_test[places[starts[c] + i]] = 1;
    }
    for (size_t i = 0; i < set->n; i++) {
        int split = is_test[i] ? SPLIT_TEST : SPLIT_TRAIN;
        self->places[split][self->count[split]++] = (uint32_t)i;
    }
}

bool labelled_finish(labelled *self, error *err)
{
    if (self->shape.n_classes == 0)
        count_classes(self);
    if (self->sets[SPLIT_TEST].n > 0) {
        self->count[SPLIT_TRAIN] = self->sets[SPLIT_TRAIN].n;
        self->count[SPLIT_TEST] = self->sets[SPLIT_TEST].n;
        return true;
    }
    size_t n = self->sets[0].n;
    size_t *starts = memory_new((size_t)self->shape.n_classes + 2, sizeof *starts, err);
    uint32_t *places = memory_new(n, sizeof *places, err);
    uint8_t *is_test = memory_new(n, 1, err);
    bool good = starts && places && is_test;
    for (int k = 0; k < 2 && good; k++)
        good = (self->places[k] = memory_new(n, sizeof *self->places[k], err));
    if (good)
        split_set(self, starts, places, is_test);
    memory_free(starts);
    memory_free(places);
    memory_free(is_test);
    return good;
}

/* ---- names ------------------------------------------------------------------------------------ */

bool labelled_take_name(char to[SOURCE_NAME_BYTES], const char *text, size_t length)
{
    if (length == 0 || *text == ' ' || text[length - 1] == ' ' || !utf8_is_plain(text, length))
        return false;
    length = utf8_fit(text, length, SOURCE_NAME_BYTES - 1);
    memcpy(to, text, length);
    to[length] = '\0';
    return true;
}

bool labelled_name(labelled *self, int c, const char *text, size_t length, error *err)
{
    assert(c >= 0 && c < self->shape.n_classes);
    if (!self->names)
        self->names = memory_new((size_t)self->shape.n_classes, sizeof *self->names, err);
    if (self->names)
        (void)labelled_take_name(self->names[c], text, length);
    return self->names != NULL;
}

static bool name_lines(labelled *self, int n, const char *text, error *err)
{
    for (int c = 0; c < n && *text; c++) {
        size_t line = strcspn(text, "\n"), length = line;
        while (length > 0 && strchr(" \t\r", text[length - 1]))
            length--;
        if (!labelled_name(self, c, text, length, err))
            return false;
        text += line;
        text += *text == '\n';
    }
    return true;
}

bool labelled_names_file(labelled *self, const char *path, int n, error *err)
{
    error none = {0};
    uint64_t length = 0;
    bytes *file = bytes_open(path, &none);
    char *text = file ? memory_new(NAMES_FILE_BYTES + 1, 1, err) : NULL;
    bool good = !file || text;
    if (text && bytes_length(file, NAMES_FILE_BYTES, &length, &none) &&
        bytes_read(file, 0, text, (size_t)length, &none))
        good = name_lines(self, n, text, err);
    memory_free(text);
    bytes_free(file);
    return good;
}

const char *labelled_class_name(const void *state, int c)
{
    const labelled *self = state;
    return self->names && self->names[c][0] ? self->names[c] : NULL;
}

void labelled_beyond(const void *state, int n_classes, char text[SOURCE_BEYOND_BYTES])
{
    static const char *const names[] = {[SPLIT_TRAIN] = "training ", [SPLIT_TEST] = "test "};
    const labelled *self = state;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < self->sets[k].n; i++)
            if (self->sets[k].labels[i] >= n_classes) {
                snprintf(text, SOURCE_BEYOND_BYTES, "label %u of %simage %zu",
                         self->sets[k].labels[i], self->places[0] ? "" : names[k], i);
                return;
            }
}

/* ---- images ----------------------------------------------------------------------------------- */

bool labelled_read(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                   uint16_t *labels, error *err)
{
    enum { PART = 1024 };
    labelled *self = state;
    const labelled_set *set = &self->sets[self->places[split] ? 0 : split];
    uint32_t places[PART];
    for (size_t done = 0, part; done < n; done += part) {
        part = n - done < PART ? n - done : PART;
        for (size_t i = 0; i < part; i++) {
            size_t at = first + done + i;
            places[i] = self->places[split] ? self->places[split][at] : (uint32_t)at;
            labels[done + i] = set->labels[places[i]];
        }
        if (images && !set->fetch(set->from, self->shape, places, part,
                                  images + done * image_bytes(self->shape), err))
            return false;
    }
    return true;
}
