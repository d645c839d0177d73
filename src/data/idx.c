/*
 * IDX files, of which MNIST's, Fashion-MNIST's and EMNIST's are: two zeros, the type (8: bytes), the number
 * of dimensions, their sizes as 32-bit numbers, the highest byte first, and the values.
 * Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
 */
#include "base/memory.h"
#include "labelled.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TYPE_BYTES = 8, DIMS_IMAGES = 3, DIMS_LABELS = 1, MAX_DIMS = 3, MAX_SIDE = 4096 };
enum { PATH_BYTES = 4096 };

static const char fashion[] = "fashion-mnist",
                  fashion_folder[] = "/usr/share/datasets/fashion-mnist";
static const char *const fashion_names[] = {"T-shirt/top", "trouser",   "pullover", "dress",
                                            "coat",        "sandal",    "shirt",    "sneaker",
                                            "bag",         "ankle boot"};
enum { FASHION_CLASSES = sizeof fashion_names / sizeof *fashion_names };

/* ---- names of files ---------------------------------------------------------------------------- */

/* The place of a file of a set, under one of the names it goes by; start: DIR/, or DIR/ and what names begin with. */
static bool find(const char *start, enum split split, const char *what, char path[PATH_BYTES])
{
    static const char *const splits[2][2] = {
        [SPLIT_TRAIN] = {"train", "train"}, [SPLIT_TEST] = {"t10k", "test"}};
    static const char *const forms[] = {"-ubyte.gz", "-ubyte", ".gz", ""};
    const int dims = strcmp(what, "images") == 0 ? DIMS_IMAGES : DIMS_LABELS;
    for (int k = 0; k < 16; k++) {
        int n = snprintf(path, PATH_BYTES, "%s%s-%s%cidx%d%s", start, splits[split][k & 1], what,
                         k & 2 ? '.' : '-', dims, forms[3 - k / 4]);
        if (n > 0 && n < PATH_BYTES && access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* What the names of the files begin with: the folder, or what was given where that is none. */
static bool start_of(const char *spec, char start[PATH_BYTES])
{
    struct stat is;
    bool is_folder = stat(spec, &is) == 0 && S_ISDIR(is.st_mode);
    int n = snprintf(start, PATH_BYTES, "%s%s", spec, is_folder ? "/" : "-");
    return n > 0 && n < PATH_BYTES - 64;
}

static bool claims(const char *spec)
{
    char start[PATH_BYTES], path[PATH_BYTES];
    return start_of(spec, start) && find(start, SPLIT_TRAIN, "images", path);
}

/* ---- files ------------------------------------------------------------------------------------- */

typedef struct idx {
    bytes *from;
    uint64_t dims[MAX_DIMS], start, n_bytes; /* where values start; how many */
} idx;

static bool refuse(const idx *self, const char *what, error *err)
{
    return error_user(err, "%s: %s", bytes_path(self->from), what);
}

static bool read_header(idx *self, int n_dims, error *err)
{
    uint8_t head[4 + 4 * MAX_DIMS];
    char what[128];
    if (!bytes_read(self->from, 0, head, 4 + 4 * (size_t)n_dims, err))
        return false;
    if (head[0] != 0 || head[1] != 0 || head[2] < 8 || head[2] > 14)
        return refuse(self, "no IDX file: it should begin with two zeros and a type", err);
    if (head[2] != TYPE_BYTES)
        return refuse(self, "values of another type than unsigned bytes", err);
    if (head[3] != n_dims) {
        snprintf(what, sizeof what, "%d dimensions, expected %d (%s)", head[3], n_dims,
                 n_dims == DIMS_IMAGES ? "images, rows, columns" : "labels");
        return refuse(self, what, err);
    }
    self->start = 4 + 4 * (uint64_t)n_dims;
    self->n_bytes = 1;
    for (int i = 0; i < n_dims; i++) {
        const uint8_t *at = head + 4 + 4 * i;
        self->dims[i] =
            (uint64_t)at[0] << 24 | (uint64_t)at[1] << 16 | (uint64_t)at[2] << 8 | at[3];
        if (i > 0 && (self->dims[i] < 1 || self->dims[i] > MAX_SIDE)) {
            snprintf(what, sizeof what, "images of %llu rows or columns: expected 1 to %d",
                     (unsigned long long)self->dims[i], MAX_SIDE);
            return refuse(self, what, err);
        }
        self->n_bytes *= self->dims[i]; /* below 2^32 * 2^24 */
    }
    return true;
}

static bool open_idx(idx *self, const char *path, int n_dims, error *err)
{
    uint64_t length = 0;
    self->from = bytes_open(path, err);
    if (!self->from || !read_header(self, n_dims, err) ||
        !bytes_length(self->from, self->start + self->n_bytes, &length, err))
        return false;
    return length == self->start + self->n_bytes ||
           error_user(err, "%s: is cut off: %llu bytes, its header promises %llu", path,
                      (unsigned long long)length,
                      (unsigned long long)(self->start + self->n_bytes));
}

/* ---- sets -------------------------------------------------------------------------------------- */

static bool read_labels(labelled_set *set, const char *path, error *err)
{
    idx file = {0};
    uint8_t *packed = NULL;
    bool good = open_idx(&file, path, DIMS_LABELS, err);
    if (good && file.dims[0] != set->n)
        good = error_user(err, "%s: %llu labels for %zu images", path,
                          (unsigned long long)file.dims[0], set->n);
    if (good) {
        set->labels = memory_new(set->n, sizeof *set->labels, err);
        packed = set->labels ? memory_new(set->n, 1, err) : NULL;
        good = packed && bytes_read(file.from, file.start, packed, set->n, err);
    }
    for (size_t i = 0; good && i < set->n; i++)
        set->labels[i] = packed[i];
    memory_free(packed);
    bytes_free(file.from);
    return good;
}

static bool open_images(labelled *self, enum split split, const char *path, error *err)
{
    idx file = {0};
    labelled_set *set = &self->sets[split];
    image_shape *shape = &self->shape;
    if (!open_idx(&file, path, DIMS_IMAGES, err)) {
        bytes_free(file.from);
        return false;
    }
    int height = (int)file.dims[1], width = (int)file.dims[2];
    set->n = (size_t)file.dims[0];
    if (split == SPLIT_TRAIN) {
        shape->channels = 1;
        shape->height = height;
        shape->width = width;
    } else if (height != shape->height || width != shape->width) {
        bytes_free(file.from);
        return error_user(err, "%s: images of %d x %d, those for training have %d x %d", path,
                          height, width, shape->height, shape->width);
    }
    return labelled_from_bytes(set, file.from, file.start, (size_t)(height * width), LAYOUT_PLANES,
                               err);
}

static bool open_split(labelled *self, const char *start, enum split split, error *err)
{
    char path[PATH_BYTES];
    static const char *const names[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "t10k"};
    if (!find(start, split, "images", path))
        return error_user(err,
                          "%s%s-images-idx3-ubyte: missing (with or without .gz); expected a "
                          "folder with IDX files, or DIR/NAME for files that begin with NAME-",
                          start, names[split]);
    if (!open_images(self, split, path, err))
        return false;
    if (!find(start, split, "labels", path))
        return error_user(err, "%s%s-labels-idx1-ubyte: missing (with or without .gz)", start,
                          names[split]);
    return read_labels(&self->sets[split], path, err);
}

static labelled *open_sets(const char *spec, error *err)
{
    char start[PATH_BYTES];
    if (!start_of(spec, start)) {
        error_user(err, "%.100s...: the name is too long", spec);
        return NULL;
    }
    labelled *self = labelled_new(err);
    if (self && open_split(self, start, SPLIT_TRAIN, err) &&
        open_split(self, start, SPLIT_TEST, err) && labelled_finish(self, err))
        return self;
    labelled_free(self);
    return NULL;
}

static bool name_classes(labelled *self, const char *spec, error *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/classes.txt", spec);
    return n >= PATH_BYTES || labelled_names_file(self, path, self->shape.n_classes, err);
}

static void *open_folder(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                         error *err)
{
    (void)seed;
    labelled *self = open_sets(spec, err);
    if (self && !name_classes(self, spec, err)) {
        labelled_free(self);
        self = NULL;
    }
    return labelled_opened(self, shape, count);
}

/* Any folder with IDX files. */
const source_kind source_idx = {
    .name = "idx",
    .claims = claims,
    .open = open_folder,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .beyond = labelled_beyond,
    .close = labelled_free,
};

/* ---- Fashion-MNIST ----------------------------------------------------------------------------- */

static bool is_fashion(const char *spec)
{
    return strcmp(spec, fashion) == 0;
}

static void *open_fashion(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                          error *err)
{
    (void)seed;
    bool is_debian = !*spec || is_fashion(spec);
    const char *folder = is_debian ? fashion_folder : spec;
    if (is_debian && access(folder, F_OK) != 0 && errno == ENOENT) {
        error_user(err,
                   "fashion-mnist: there is no %s: `apt install dataset-fashion-mnist` brings "
                   "it, or say fashion-mnist:DIR for a folder with the files",
                   folder);
        return NULL;
    }
    labelled *self = open_sets(folder, err);
    bool good = self;
    if (self && self->shape.n_classes != FASHION_CLASSES)
        good = error_user(err, "%s: %d classes, but Fashion-MNIST has %d; idx:%s takes any", folder,
                          self->shape.n_classes, FASHION_CLASSES, folder);
    for (int c = 0; c < FASHION_CLASSES && good; c++)
        good = labelled_name(self, c, fashion_names[c], strlen(fashion_names[c]), err);
    if (good)
        return labelled_opened(self, shape, count);
    labelled_free(self);
    return NULL;
}

/* The same with the names of Fashion-MNIST's classes, where Debian puts it or in a folder. */
const source_kind source_fashion_mnist = {
    .name = fashion,
    .claims = is_fashion,
    .open = open_fashion,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};
