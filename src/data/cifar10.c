#include "data/cifar10.h"

#include "base/memory.h"
#include "cifar10_hint.h"
#include "labelled.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { TEST_FILE = CIFAR10_TRAIN_FILES, IMAGE = CIFAR10_RECORD_BYTES - 1 };
enum { CHUNK = 64 }; /* records read at once */
enum { NAMES_FILE_BYTES = 4096 };

const char *const cifar10_files[CIFAR10_FILES] = {"data_batch_1.bin", "data_batch_2.bin",
                                                  "data_batch_3.bin", "data_batch_4.bin",
                                                  "data_batch_5.bin", "test_batch.bin"};
const char *const cifar10_names_file = "batches.meta.txt";

/* zlib's crc32 of the files of cifar-10-binary.tar.gz. */
static const uLong official_crc[CIFAR10_FILES] = {0xb3220c1f, 0xc439a348, 0x8c6f54f0,
                                                  0x6a83637e, 0x2f355afd, 0x19777d49};
static const char official_names[] = "airplane\nautomobile\nbird\ncat\ndeer\n"
                                     "dog\nfrog\nhorse\nship\ntruck\n";

typedef struct cifar10 {
    char *folder;
    int fd[CIFAR10_FILES];   /* -1: no such file */
    size_t n[CIFAR10_FILES]; /* records */
    char names[CIFAR10_CLASSES][SOURCE_NAME_BYTES];
    uint8_t *chunk; /* CHUNK records */
} cifar10;

/* ---- opening ----------------------------------------------------------------------------- */

static bool claims(const char *spec)
{
    (void)spec;
    return true;
}

static bool refuse_file(const cifar10 *self, int f, const char *what, error *err)
{
    return error_user(err, "%s/%s: %s; expected %d bytes (%d records of %d): `%s` fetches it",
                      self->folder, cifar10_files[f], what,
                      CIFAR10_FILE_IMAGES * CIFAR10_RECORD_BYTES, CIFAR10_FILE_IMAGES,
                      CIFAR10_RECORD_BYTES, cifar10_fetch);
}

static bool refuse_missing(const cifar10 *self, int f, error *err)
{
    char hint[1000];
    if (cifar10_hint(self->folder, cifar10_files[f], hint, sizeof hint))
        return error_user(err, "%s/%s: missing; %s", self->folder, cifar10_files[f], hint);
    bool is_none = true;
    for (int k = 0; k < CIFAR10_FILES; k++)
        is_none = is_none && self->fd[k] < 0;
    if (is_none)
        return refuse_file(self, f, "missing, and no other data set is seen in this folder", err);
    return refuse_file(self, f, "missing", err);
}

/* The process's own limits and a broken disk are not the user's mistake. */
static bool refuse_open(const char *folder, const char *name, int cause, error *err)
{
    bool environment = cause == EMFILE || cause == ENFILE || cause == ENOMEM || cause == EIO;
    return (environment ? error_environment : error_user)(
        err, "%s%s%s: cannot be opened: %s", folder, *name ? "/" : "", name, strerror(cause));
}

static bool check_size(cifar10 *self, int f, error *err)
{
    struct stat is;
    if (fstat(self->fd[f], &is) != 0)
        return error_environment(err, "%s/%s: %s", self->folder, cifar10_files[f], strerror(errno));
    if (!S_ISREG(is.st_mode))
        return refuse_file(self, f, "not a regular file", err);
    char what[80];
    if (is.st_size == 0)
        return refuse_file(self, f, "empty", err);
    if (is.st_size > (off_t)CIFAR10_FILE_IMAGES * CIFAR10_RECORD_BYTES) {
        snprintf(what, sizeof what, "too long with %lld bytes", (long long)is.st_size);
        return refuse_file(self, f, what, err);
    }
    if (is.st_size % CIFAR10_RECORD_BYTES != 0) {
        snprintf(what, sizeof what, "cut off: %lld bytes are no whole number of records",
                 (long long)is.st_size);
        return refuse_file(self, f, what, err);
    }
    self->n[f] = (size_t)is.st_size / CIFAR10_RECORD_BYTES;
    return true;
}

static bool open_file(cifar10 *self, int folder, int f, error *err)
{
    /* Not blocking: a pipe of that name would wait for its writer. */
    self->fd[f] = openat(folder, cifar10_files[f], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (self->fd[f] < 0)
        return errno == ENOENT || refuse_open(self->folder, cifar10_files[f], errno, err);
    return check_size(self, f, err);
}

/* Any number of training files without a gap, but only whole sets of full ones: the official set
 * with a file missing must not pass for a small one. */
static bool check_set(const cifar10 *self, error *err)
{
    int last = CIFAR10_TRAIN_FILES - 1;
    while (last > 0 && self->fd[last] < 0)
        last--;
    if (self->n[0] == CIFAR10_FILE_IMAGES)
        last = CIFAR10_TRAIN_FILES - 1;
    for (int f = 0; f <= last; f++)
        if (self->fd[f] < 0)
            return refuse_missing(self, f, err);
    return self->fd[TEST_FILE] >= 0 || refuse_missing(self, TEST_FILE, err);
}

static void parse_names(char names[CIFAR10_CLASSES][SOURCE_NAME_BYTES], const char *text)
{
    for (int c = 0; c < CIFAR10_CLASSES; c++) {
        size_t line = strcspn(text, "\n"), length = line;
        while (length > 0 && strchr(" \t\r", text[length - 1]))
            length--;
        if (!labelled_take_name(names[c], text, length))
            snprintf(names[c], sizeof names[c], "class %d", c);
        text += line;
        text += *text == '\n';
    }
}

/* Without the file, the official ones: who leaves it away has left those out. */
static void read_names(cifar10 *self, int folder)
{
    char text[NAMES_FILE_BYTES + 1] = "";
    int fd = openat(folder, cifar10_names_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        ssize_t got = read(fd, text, NAMES_FILE_BYTES);
        text[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    parse_names(self->names, *text ? text : official_names);
}

static bool open_folder(cifar10 *self, error *err)
{
    char hint[200];
    int folder = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 && errno == ENOTDIR && cifar10_hint_file(self->folder, hint, sizeof hint))
        return error_user(err, "'%s': is not a folder, it %s", self->folder, hint);
    if (folder < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_user(
            err,
            "'%s': %s; expected a folder with CIFAR-10's binary files (`%s` "
            "fetches them into data), synthetic:, fashion-mnist or another KIND:WHERE",
            self->folder, errno == ENOENT ? "no such folder" : "not a folder", cifar10_fetch);
    if (folder < 0)
        return refuse_open(self->folder, "", errno, err);
    bool good = true;
    for (int f = 0; f < CIFAR10_FILES && good; f++)
        good = open_file(self, folder, f, err);
    good = good && check_set(self, err);
    if (good)
        read_names(self, folder);
    close(folder);
    return good;
}

static void close_cifar10(void *state)
{
    cifar10 *self = state;
    if (!self)
        return;
    for (int f = 0; f < CIFAR10_FILES; f++)
        if (self->fd[f] >= 0)
            close(self->fd[f]);
    memory_free(self->folder);
    memory_free(self->chunk);
    memory_free(self);
}

static cifar10 *new_cifar10(const char *folder, error *err)
{
    cifar10 *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    for (int f = 0; f < CIFAR10_FILES; f++)
        self->fd[f] = -1;
    self->folder = memory_new(strlen(folder) + 1, 1, err);
    self->chunk = memory_new(CHUNK, CIFAR10_RECORD_BYTES, err);
    if (self->folder && self->chunk) {
        strcpy(self->folder, folder);
        if (open_folder(self, err))
            return self;
    }
    close_cifar10(self);
    return NULL;
}

static void *open_cifar10(const char *spec, uint64_t seed, image_shape *shape, size_t count[2],
                          error *err)
{
    (void)seed;
    cifar10 *self = new_cifar10(spec, err);
    if (!self)
        return NULL;
    *shape = (image_shape){.channels = 3, .height = 32, .width = 32, .n_classes = CIFAR10_CLASSES};
    count[SPLIT_TEST] = self->n[TEST_FILE];
    count[SPLIT_TRAIN] = 0;
    for (int f = 0; f < CIFAR10_TRAIN_FILES; f++)
        count[SPLIT_TRAIN] += self->n[f];
    return self;
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Records first .. first + n - 1 of a file into the chunk, n <= CHUNK, labels checked. */
static bool read_chunk(cifar10 *self, int f, size_t first, size_t n, error *err)
{
    assert(n <= CHUNK && first + n <= self->n[f]);
    size_t n_bytes = n * CIFAR10_RECORD_BYTES, done = 0;
    while (done < n_bytes) {
        off_t at = (off_t)(first * CIFAR10_RECORD_BYTES + done);
        ssize_t got = pread(self->fd[f], self->chunk + done, n_bytes - done, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_environment(err, "%s/%s: cannot be read at byte %lld: %s", self->folder,
                                     cifar10_files[f], (long long)at,
                                     got < 0 ? strerror(errno) : "it has become shorter");
        done += (size_t)got;
    }
    for (size_t i = 0; i < n; i++) {
        int label = self->chunk[i * CIFAR10_RECORD_BYTES];
        if (label >= CIFAR10_CLASSES)
            return error_user(err,
                              "%s/%s: image %zu: label %d, expected 0 to %d: remove the file and "
                              "fetch it anew (`%s`)",
                              self->folder, cifar10_files[f], first + i, label, CIFAR10_CLASSES - 1,
                              cifar10_fetch);
    }
    return true;
}

static bool read_cifar10(void *state, enum split split, size_t first, size_t n, uint8_t *images,
                         uint16_t *labels, error *err)
{
    cifar10 *self = state;
    int f = split == SPLIT_TEST ? TEST_FILE : 0;
    for (size_t done = 0, part; done < n; done += part, first += part) {
        for (; first >= self->n[f]; f++)
            first -= self->n[f];
        size_t left = self->n[f] - first;
        part = n - done < CHUNK ? n - done : CHUNK;
        part = part < left ? part : left;
        if (!read_chunk(self, f, first, part, err))
            return false;
        for (size_t i = 0; i < part; i++) {
            const uint8_t *record = self->chunk + i * CIFAR10_RECORD_BYTES;
            *labels++ = record[0];
            if (images)
                memcpy(images + (done + i) * IMAGE, record + 1, IMAGE);
        }
    }
    return true;
}

static const char *class_name(const void *state, int c)
{
    return ((const cifar10 *)state)->names[c];
}

/* ---- checking ---------------------------------------------------------------------------- */

static bool check_file(cifar10 *self, int f, FILE *out, error *err)
{
    size_t per_class[CIFAR10_CLASSES] = {0};
    uLong crc = crc32(0, NULL, 0);
    for (size_t first = 0, n; first < self->n[f]; first += n) {
        n = self->n[f] - first < CHUNK ? self->n[f] - first : CHUNK;
        if (!read_chunk(self, f, first, n, err))
            return false;
        crc = crc32(crc, self->chunk, (uInt)(n * CIFAR10_RECORD_BYTES));
        for (size_t i = 0; i < n; i++)
            per_class[self->chunk[i * CIFAR10_RECORD_BYTES]]++;
    }
    fprintf(out, "%s: %zu images, per class", cifar10_files[f], self->n[f]);
    for (int c = 0; c < CIFAR10_CLASSES; c++)
        fprintf(out, " %zu", per_class[c]);
    fprintf(out, ", %s\n",
            crc == official_crc[f] ? "the official file" : "well-formed, not the official file");
    return !ferror(out) || error_environment(err, "the result of the check cannot be written");
}

bool cifar10_check(const char *folder, FILE *out, error *err)
{
    cifar10 *self = new_cifar10(folder, err);
    bool good = self;
    for (int f = 0; f < CIFAR10_FILES && good; f++)
        if (self->fd[f] >= 0)
            good = check_file(self, f, out, err);
    close_cifar10(self);
    return good;
}

/* A folder with CIFAR-10's binary files. */
const source_kind source_cifar10 = {
    .name = "cifar10",
    .claims = claims,
    .open = open_cifar10,
    .read = read_cifar10,
    .class_name = class_name,
    .close = close_cifar10,
};
