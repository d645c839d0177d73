#include "base/memory.h"
#include "data/cifar10.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 }; /* images at once */
enum {
    NAMES = CIFAR10_FILES,
    N_FILES = CIFAR10_FILES + 1
}; /* the names of the classes come last */
enum { NAME_BYTES = 64, NAMES_BYTES = CIFAR10_CLASSES * NAME_BYTES };

typedef struct writer {
    source *from;
    const char *folder;
    int fd; /* of the folder */
    uint8_t *images, *records;
    uint16_t *labels;
} writer;

static const char *file_name(int f)
{
    return f == NAMES ? cifar10_names_file : cifar10_files[f];
}

/* Hidden, and of this process alone, until it is whole. */
static void part_name(int f, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, ".%s.%ld", file_name(f), (long)getpid());
}

static bool fail(const writer *self, int f, error *err)
{
    return error_environment(err, "%s/%s: cannot be written: %s", self->folder, file_name(f),
                             strerror(errno));
}

static bool write_all(int fd, const void *bytes, size_t n)
{
    const char *from = bytes;
    while (n > 0) {
        ssize_t done = write(fd, from, n);
        if (done == 0)
            errno = ENOSPC;
        if (done <= 0 && errno != EINTR)
            return false;
        from += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

/* ---- contents ---------------------------------------------------------------------------- */

static bool write_images(writer *self, int f, int fd, enum split split, size_t first, size_t end,
                         error *err)
{
    enum { IMAGE = CIFAR10_RECORD_BYTES - 1 };
    for (size_t n; first < end; first += n) {
        n = end - first < CHUNK ? end - first : CHUNK;
        if (!source_read(self->from, split, first, n, self->images, self->labels, err))
            return false;
        for (size_t i = 0; i < n; i++) {
            uint8_t *record = self->records + i * CIFAR10_RECORD_BYTES;
            record[0] = (uint8_t)self->labels[i];
            memcpy(record + 1, self->images + i * IMAGE, IMAGE);
        }
        if (!write_all(fd, self->records, n * CIFAR10_RECORD_BYTES))
            return fail(self, f, err);
    }
    return true;
}

static bool write_names(writer *self, int fd, error *err)
{
    char text[NAMES_BYTES] = "";
    size_t used = 0;
    const char *name;
    for (int c = 0; (name = source_class_name(self->from, c)) && used < sizeof text; c++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\n", name);
    return write_all(fd, text, strlen(text)) || fail(self, NAMES, err);
}

/* An equal share for each training file: a full first file is the mark of a whole official set. */
static bool write_content(writer *self, int f, int fd, error *err)
{
    size_t n = source_count(self->from, SPLIT_TRAIN);
    size_t files = n < CIFAR10_TRAIN_FILES ? n : CIFAR10_TRAIN_FILES;
    if (f == NAMES)
        return write_names(self, fd, err);
    if (f == CIFAR10_TRAIN_FILES)
        return write_images(self, f, fd, SPLIT_TEST, 0, source_count(self->from, SPLIT_TEST), err);
    return write_images(self, f, fd, SPLIT_TRAIN, n * (size_t)f / files,
                        n * ((size_t)f + 1) / files, err);
}

/* ---- files ------------------------------------------------------------------------------- */

static bool has_file(const writer *self, int f)
{
    return f >= CIFAR10_TRAIN_FILES || (size_t)f < source_count(self->from, SPLIT_TRAIN);
}

static bool write_part(writer *self, int f, error *err)
{
    char part[NAME_BYTES];
    part_name(f, part);
    int fd = openat(self->fd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(self, f, err);
    bool good = write_content(self, f, fd, err);
    if (good && fsync(fd) != 0)
        good = fail(self, f, err);
    if (close(fd) != 0 && good)
        good = fail(self, f, err);
    return good;
}

/* All parts first, then the names, the first training file's last: nobody reads half a set. */
static bool write_files(writer *self, error *err)
{
    char part[NAME_BYTES];
    bool good = true;
    for (int f = 0; f < N_FILES && good; f++)
        good = !has_file(self, f) || write_part(self, f, err);
    int done = N_FILES;
    while (good && done > 0) {
        part_name(done - 1, part);
        if (has_file(self, done - 1) &&
            renameat(self->fd, part, self->fd, file_name(done - 1)) != 0)
            good = fail(self, done - 1, err);
        else
            done--;
    }
    for (int f = 0; f < N_FILES && !good; f++) {
        part_name(f, part);
        unlinkat(self->fd, part, 0);
        if (f >= done && has_file(self, f))
            unlinkat(self->fd, file_name(f), 0);
    }
    return good;
}

static bool check_source(const writer *self, error *err)
{
    image_shape shape = source_shape(self->from);
    size_t n_train = source_count(self->from, SPLIT_TRAIN);
    size_t n_test = source_count(self->from, SPLIT_TEST);
    const size_t most = CIFAR10_FILE_IMAGES;
    if (shape.channels != 3 || shape.height != 32 || shape.width != 32 ||
        shape.n_classes > CIFAR10_CLASSES)
        return error_user(err,
                          "%s: only 3 x 32 x 32 images of at most %d classes fit CIFAR-10's form",
                          self->folder, CIFAR10_CLASSES);
    if (n_train < 1 || n_train > CIFAR10_TRAIN_FILES * most || n_test < 1 || n_test > most)
        return error_user(err,
                          "%s: %zu training and %zu test images do not fit CIFAR-10's form, which "
                          "holds up to %zu and %zu",
                          self->folder, n_train, n_test, CIFAR10_TRAIN_FILES * most, most);
    return true;
}

static bool check_folder(const writer *self, error *err)
{
    struct stat is;
    for (int f = 0; f < N_FILES; f++)
        if (fstatat(self->fd, file_name(f), &is, AT_SYMLINK_NOFOLLOW) == 0)
            return error_user(err, "%s/%s: exists; choose another folder or remove it",
                              self->folder, file_name(f));
        else if (errno != ENOENT)
            return fail(self, f, err);
    return true;
}

static bool write_folder(writer *self, error *err)
{
    bool made = mkdir(self->folder, 0777) == 0;
    if (!made && errno != EEXIST)
        return (errno == ENOENT || errno == ENOTDIR ? error_user : error_environment)(
            err, "'%s': cannot be made: %s", self->folder, strerror(errno));
    self->fd = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (self->fd < 0)
        return (errno == ENOTDIR ? error_user : error_environment)(
            err, "'%s': cannot be opened: %s", self->folder, strerror(errno));
    bool good = check_folder(self, err) && write_files(self, err);
    close(self->fd);
    if (made && !good)
        rmdir(self->folder);
    return good;
}

bool cifar10_write(source *from, const char *folder, error *err)
{
    writer self = {.from = from, .folder = folder};
    if (!check_source(&self, err))
        return false;
    self.images = memory_new(CHUNK, CIFAR10_RECORD_BYTES - 1, err);
    self.labels = memory_new(CHUNK, sizeof *self.labels, err);
    self.records = memory_new(CHUNK, CIFAR10_RECORD_BYTES, err);
    bool good = self.images && self.labels && self.records && write_folder(&self, err);
    memory_free(self.images);
    memory_free(self.labels);
    memory_free(self.records);
    return good;
}
