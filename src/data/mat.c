/*
 * MATLAB's files of level 5, as SVHN's cropped digits are: a header of 128 bytes, then elements, each a type,
 * a length and bytes, padded to eight; what is packed is one element, within zlib's frame.  Arrays are stored
 * with the first dimension changing fastest: X [row][column][channel][image], y [image][1].
 * Sources: MathWorks, "MAT-File Format"; http://ufldl.stanford.edu/housenumbers.
 */
#include "base/memory.h"
#include "labelled.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_BYTES = 128, TAG_BYTES = 8, MAX_ELEMENTS = 64, NAME_BYTES = 8, MAX_DIMS = 4 };
enum { TYPE_INT8 = 1, TYPE_UINT8 = 2, TYPE_DOUBLE = 9, TYPE_MATRIX = 14, TYPE_PACKED = 15 };
enum { CLASS_DOUBLE = 6, CLASS_UINT8 = 9, CLASS_MASK = 255, COMPLEX = 1 << 11 };
enum { DIGITS = 10, MAX_SIDE = 4096, PATH_BYTES = 4096, LABELS_AT_ONCE = 512 };

static const char *const files[] = {
    [SPLIT_TRAIN] = "train_32x32.mat", [SPLIT_TEST] = "test_32x32.mat"};

/* ---- elements ---------------------------------------------------------------------------------- */

/* A matrix, and where its numbers are. */
typedef struct matrix {
    bytes *from;
    char name[NAME_BYTES];
    int class, n_dims;
    uint64_t dims[MAX_DIMS];
    int type; /* of the numbers as they lie there */
    uint64_t start, n_bytes;
} matrix;

static uint32_t number(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A type and a length; small elements have their bytes in the tag.  *at goes to the bytes, *next behind them. */
static bool read_tag(bytes *from, uint64_t *at, uint32_t *type, uint64_t *n, uint64_t *next,
                     error *err)
{
    uint8_t tag[TAG_BYTES];
    if (!bytes_read(from, *at, tag, sizeof tag, err))
        return false;
    *type = number(tag);
    if (*type >> 16) {
        *n = *type >> 16;
        *type &= 0xffff;
        *next = *at + TAG_BYTES;
        *at += 4;
        return *n <= 4 || error_user(err, "%s: is damaged", bytes_path(from));
    }
    *n = number(tag + 4);
    *at += TAG_BYTES;
    *next = *at + (*n + 7) / 8 * 8;
    return true;
}

/* Bytes of the element at *at, n of at most `most`; *at goes behind it. */
static bool read_part(bytes *from, uint64_t *at, uint8_t *to, size_t most, size_t *n, error *err)
{
    uint32_t type;
    uint64_t length, next;
    if (!read_tag(from, at, &type, &length, &next, err))
        return false;
    *n = length < most ? (size_t)length : most;
    bool good = bytes_read(from, *at, to, *n, err);
    *at = next;
    return good;
}

/* Flags, dimensions, a name, and the tag of the numbers. */
static bool read_matrix(matrix *self, uint64_t at, error *err)
{
    uint8_t flags[8] = {0}, dims[4 * (MAX_DIMS + 1)] = {0}, name[NAME_BYTES] = {0};
    size_t n_flags, n_dims, n_name;
    uint32_t type;
    uint64_t next;
    if (!read_part(self->from, &at, flags, sizeof flags, &n_flags, err) ||
        !read_part(self->from, &at, dims, sizeof dims, &n_dims, err) ||
        !read_part(self->from, &at, name, sizeof name - 1, &n_name, err))
        return false;
    self->class = number(flags) & COMPLEX ? 0 : (int)(number(flags) & CLASS_MASK);
    self->n_dims = (int)(n_dims / 4);
    for (int i = 0; i < self->n_dims && i < MAX_DIMS; i++)
        self->dims[i] = number(dims + 4 * i);
    memcpy(self->name, name, sizeof name);
    if (!read_tag(self->from, &at, &type, &self->n_bytes, &next, err))
        return false;
    self->type = (int)type;
    self->start = at;
    return true;
}

/* The matrix at a place of the file, unpacked where it is packed; *found whether there is one. */
static bool open_element(const bytes *file, uint64_t at, uint32_t type, uint64_t n, matrix *out,
                         bool *found, error *err)
{
    uint64_t length, next, inner = 0;
    uint32_t inner_type = type;
    *found = false;
    *out = (matrix){
        .from = bytes_part(file, at, n, type == TYPE_PACKED ? PACKING_ZLIB : PACKING_NONE, err)};
    bool good = out->from;
    if (good && type == TYPE_PACKED)
        good = read_tag(out->from, &inner, &inner_type, &length, &next, err);
    if (good && inner_type == TYPE_MATRIX)
        good = *found = read_matrix(out, inner, err);
    if (*found)
        return true;
    bytes_free(out->from);
    out->from = NULL;
    return good;
}

/* The matrix of a name; false with err where there is none. */
static bool find_matrix(bytes *file, uint64_t n_bytes, const char *name, matrix *out, error *err)
{
    uint64_t at = HEADER_BYTES, n, next;
    for (int i = 0; i < MAX_ELEMENTS && at < n_bytes; i++, at = next) {
        uint32_t type;
        bool found;
        if (!read_tag(file, &at, &type, &n, &next, err) ||
            (type != TYPE_PACKED && type != TYPE_MATRIX))
            break;
        if (type == TYPE_PACKED)
            next = at + n; /* without padding */
        if (!open_element(file, at, type, n, out, &found, err))
            return false;
        if (found && strcmp(out->name, name) == 0)
            return true;
        bytes_free(out->from);
        out->from = NULL;
    }
    return error_user(err, "%s: has no array %s, or is damaged before it", bytes_path(file), name);
}

/* ---- images and labels ------------------------------------------------------------------------- */

/* Its numbers are as many as its dimensions say, of a type, and there to the last. */
static bool check_matrix(matrix *self, int n_dims, int class, size_t element_bytes, error *err)
{
    size_t n = element_bytes;
    const char *path = bytes_path(self->from);
    bool good = self->n_dims == n_dims && self->class == class;
    for (int i = 0; good && i < n_dims; i++)
        good = memory_multiply(n, (size_t)self->dims[i], &n);
    if (!good || self->n_bytes != n)
        return error_user(err,
                          "%s: %s is no array as SVHN's: expected X, bytes of rows x columns x "
                          "channels x images, and y, a number for each image",
                          path, self->name);
    uint8_t last;
    return n == 0 || bytes_read(self->from, self->start + n - 1, &last, 1, err);
}

static bool open_images(labelled *self, enum split split, matrix *x, error *err)
{
    labelled_set *set = &self->sets[split];
    image_shape shape = {(int)x->dims[2], (int)x->dims[0], (int)x->dims[1], DIGITS};
    for (int i = 0; i < 3; i++)
        if (x->dims[i] < 1 || x->dims[i] > MAX_SIDE)
            return error_user(
                err, "%s: images of %llu x %llu x %llu: sides of 1 to %d are expected",
                bytes_path(x->from), (unsigned long long)x->dims[2], (unsigned long long)x->dims[0],
                (unsigned long long)x->dims[1], MAX_SIDE);
    if (split == SPLIT_TEST && memcmp(&shape, &self->shape, sizeof shape) != 0)
        return error_user(err, "%s: images of %d x %d x %d, those for training have %d x %d x %d",
                          bytes_path(x->from), shape.channels, shape.height, shape.width,
                          self->shape.channels, self->shape.height, self->shape.width);
    self->shape = shape;
    set->n = (size_t)x->dims[3];
    bytes *from = x->from;
    x->from = NULL; /* the set's now */
    return labelled_from_bytes(set, from, x->start, image_bytes(shape), LAYOUT_COLUMNS, err);
}

/* SVHN's digits are 1 to 10, which stands for 0. */
static bool read_labels(labelled_set *set, matrix *y, error *err)
{
    const size_t n_bytes = y->type == TYPE_DOUBLE ? sizeof(double) : 1;
    uint8_t part[LABELS_AT_ONCE * sizeof(double)];
    if (!check_matrix(y, 2, n_bytes == 1 ? y->class : CLASS_DOUBLE, n_bytes, err))
        return false;
    if ((n_bytes == 1 && y->type != TYPE_UINT8 && y->type != TYPE_INT8) ||
        y->dims[0] * y->dims[1] != set->n)
        return error_user(err, "%s: %llu x %llu labels for %zu images", bytes_path(y->from),
                          (unsigned long long)y->dims[0], (unsigned long long)y->dims[1], set->n);
    set->labels = memory_new(set->n, sizeof *set->labels, err);
    bool good = set->labels;
    for (size_t i = 0, n; good && i < set->n; i += n) {
        n = set->n - i < LABELS_AT_ONCE ? set->n - i : LABELS_AT_ONCE;
        good = bytes_read(y->from, y->start + i * n_bytes, part, n * n_bytes, err);
        for (size_t k = 0; good && k < n; k++) {
            double label = part[k];
            if (n_bytes > 1)
                memcpy(&label, part + k * n_bytes, sizeof label);
            if (!(label >= 1 && label <= DIGITS) || label != (int)label)
                good = error_user(err,
                                  "%s: label %g of image %zu, expected 1 to %d (%d is the digit 0)",
                                  bytes_path(y->from), label, i + k, DIGITS, DIGITS);
            else
                set->labels[i + k] = (uint16_t)((int)label % DIGITS);
        }
    }
    return good;
}

/* ---- files ------------------------------------------------------------------------------------- */

static bool path_of(const char *folder, enum split split, char path[PATH_BYTES])
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", folder, files[split]);
    return n > 0 && n < PATH_BYTES;
}

static bool claims(const char *spec)
{
    char path[PATH_BYTES];
    return path_of(spec, SPLIT_TRAIN, path) && access(path, F_OK) == 0;
}

static bool check_header(bytes *file, error *err)
{
    char head[HEADER_BYTES];
    if (!bytes_read(file, 0, head, sizeof head, err))
        return false;
    if (memcmp(head, "MATLAB 7.3", 10) == 0)
        return error_user(err, "%s: is a MATLAB file of version 7.3: store it with save -v7",
                          bytes_path(file));
    return (memcmp(head + 126, "IM", 2) == 0 && head[125] == 1) ||
           error_user(err, "%s: no MATLAB file of level 5", bytes_path(file));
}

static bool open_split(labelled *self, const char *folder, enum split split, error *err)
{
    char path[PATH_BYTES];
    uint64_t n_bytes = 0;
    matrix x = {0}, y = {0};
    if (!path_of(folder, split, path))
        return error_user(err, "%.100s...: the name is too long", folder);
    if (access(path, F_OK) != 0)
        return error_user(err,
                          "%s: missing; expected a folder with SVHN's cropped digits, %s and %s",
                          path, files[SPLIT_TRAIN], files[SPLIT_TEST]);
    bytes *file = bytes_open(path, err);
    bool good = file && bytes_length(file, UINT64_MAX - 1, &n_bytes, err) &&
                check_header(file, err) && find_matrix(file, n_bytes, "X", &x, err) &&
                check_matrix(&x, 4, CLASS_UINT8, 1, err) && open_images(self, split, &x, err) &&
                find_matrix(file, n_bytes, "y", &y, err) &&
                read_labels(&self->sets[split], &y, err);
    bytes_free(x.from);
    bytes_free(y.from);
    bytes_free(file);
    return good;
}

static void *open_mat(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                      error *err)
{
    (void)seed;
    labelled *self = labelled_new(err);
    bool good = self && open_split(self, spec, SPLIT_TRAIN, err) &&
                open_split(self, spec, SPLIT_TEST, err) && labelled_finish(self, err);
    for (int c = 0; c < DIGITS && good; c++)
        good = labelled_name(self, c, &"0123456789"[c], 1, err);
    if (good)
        return labelled_opened(self, shape, count);
    labelled_free(self);
    return NULL;
}

/* SVHN's cropped digits. */
const source_kind source_mat = {
    .name = "mat",
    .claims = claims,
    .open = open_mat,
    .read = labelled_read,
    .class_name = labelled_class_name,
    .close = labelled_free,
};
