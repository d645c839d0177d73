/*
 * CIFAR-100's binary files, train.bin and test.bin: records of 3,074 bytes, the number of one of 20 coarse
 * classes, that of one of 100 fine ones, and 1,024 bytes of red, green and blue each, rows from the top.
 * Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, and
 * https://www.cs.toronto.edu/~kriz/cifar.html.
 */
#include "base/memory.h"
#include "labelled.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RECORD_BYTES = 3074, LABEL_BYTES = 2, MAX_IMAGES = 50000, PATH_BYTES = 4096, CHUNK = 64 };

static const char *const files[] = {[SPLIT_TRAIN] = "train.bin", [SPLIT_TEST] = "test.bin"};

/* One of the two labels of a record. */
typedef struct labelling {
    int n_classes, at;
    const char *names, *kind;
} labelling;

static bool path_of(const char *folder, const char *name, char path[PATH_BYTES])
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return n > 0 && n < PATH_BYTES;
}

static bool claims(const char *spec)
{
    char path[PATH_BYTES];
    return path_of(spec, files[SPLIT_TRAIN], path) && access(path, F_OK) == 0;
}

/* Of all records; the images are passed over. */
static bool read_labels(bytes *from, const labelling *which, labelled_set *set, error *err)
{
    uint8_t *records = memory_new(CHUNK, RECORD_BYTES, err);
    bool good = records && (set->labels = memory_new(set->n, sizeof *set->labels, err));
    for (size_t i = 0, n; good && i < set->n; i += n) {
        n = set->n - i < CHUNK ? set->n - i : CHUNK;
        good = bytes_read(from, i * (uint64_t)RECORD_BYTES, records, n * RECORD_BYTES, err);
        for (size_t k = 0; good && k < n; k++) {
            int label = records[k * RECORD_BYTES + (size_t)which->at];
            set->labels[i + k] = (uint16_t)label;
            if (label >= which->n_classes)
                good =
                    error_user(err, "%s: image %zu: %s label %d, expected 0 to %d",
                               bytes_path(from), i + k, which->kind, label, which->n_classes - 1);
        }
    }
    memory_free(records);
    return good;
}

static bool check_length(bytes *from, size_t *n, error *err)
{
    uint64_t length = 0;
    if (!bytes_length(from, (uint64_t)MAX_IMAGES * RECORD_BYTES, &length, err))
        return false;
    *n = (size_t)(length / RECORD_BYTES);
    if (length > 0 && length % RECORD_BYTES == 0)
        return true;
    return error_user(
        err,
        "%s: %llu bytes are no whole number of records of %d; expected CIFAR-100's binary version",
        bytes_path(from), (unsigned long long)length, RECORD_BYTES);
}

/* Where the other versions, or an archive, were taken for this one. */
static const char *hint(const char *folder)
{
    char path[PATH_BYTES];
    if (path_of(folder, "train", path) && access(path, F_OK) == 0)
        return "that is CIFAR-100 for Python: the binary version is needed (cifar-100-binary.tar.gz)";
    if (path_of(folder, "train.mat", path) && access(path, F_OK) == 0)
        return "that is CIFAR-100 for Matlab: the binary version is needed (cifar-100-binary.tar.gz)";
    if (path_of(folder, "cifar-100-binary", path) && access(path, F_OK) == 0)
        return "it lies one folder below: name DIR/cifar-100-binary";
    return "expected a folder with CIFAR-100's binary files (unpack cifar-100-binary.tar.gz)";
}

static bool open_file(labelled *self, const char *folder, enum split split, const labelling *which,
                      error *err)
{
    char path[PATH_BYTES];
    if (!path_of(folder, files[split], path))
        return error_user(err, "%.100s...: the name is too long", folder);
    if (access(path, F_OK) != 0)
        return error_user(err, "%s: missing; %s", path, hint(folder));
    labelled_set *set = &self->sets[split];
    bytes *from = bytes_open(path, err);
    if (from && check_length(from, &set->n, err) && read_labels(from, which, set, err))
        return labelled_from_bytes(set, from, LABEL_BYTES, RECORD_BYTES, LAYOUT_PLANES, err);
    bytes_free(from);
    return false;
}

static void *open_as(const char *folder, const labelling *which, image_shape *shape,
                     size_t count[2], error *err)
{
    char path[PATH_BYTES];
    labelled *self = labelled_new(err);
    if (!self)
        return NULL;
    self->shape = (image_shape){3, 32, 32, which->n_classes};
    if (open_file(self, folder, SPLIT_TRAIN, which, err) &&
        open_file(self, folder, SPLIT_TEST, which, err) && labelled_finish(self, err) &&
        (!path_of(folder, which->names, path) ||
         labelled_names_file(self, path, which->n_classes, err)))
        return labelled_opened(self, shape, count);
    labelled_free(self);
    return NULL;
}

static void *open_fine(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                       error *err)
{
    static const labelling fine = {100, 1, "fine_label_names.txt", "fine"};
    (void)seed;
    return open_as(spec, &fine, shape, count, err);
}

static void *open_coarse(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                         error *err)
{
    static const labelling coarse = {20, 0, "coarse_label_names.txt", "coarse"};
    (void)seed;
    return open_as(spec, &coarse, shape, count, err);
}

/* The 100 classes. */
const source_kind source_cifar100 = {
    .name = "cifar100",
    .claims = claims,
    .open = open_fine,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};

/* The 20 they are gathered in. */
const source_kind source_cifar100_coarse = {
    .name = "cifar100-coarse",
    .open = open_coarse,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};
