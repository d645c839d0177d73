#include "base/memory.h"
#include "data/picture.h"
#include "data/source.h"
#include "data_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = OPTION_TEXT_BYTES + 128, PIECE = 64 };

/* Where pictures are put until all are there: beside the folder, whose name they get then. */
typedef struct writing {
    source *from;
    image_shape shape;
    char folder[OPTION_TEXT_BYTES + 32];
    uint8_t *images;  /* of a piece */
    uint16_t *labels; /* likewise */
    size_t count[2];  /* pictures of each split */
} writing;

static const char *const splits[] = {[SPLIT_TRAIN] = "train", [SPLIT_TEST] = "test"};

static bool make_folder(const char *path, error *err)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ||
           error_environment(err, "%s: cannot be made: %s", path, strerror(errno));
}

/* A class may be called anything, a folder not. */
static void folder_name(const source *from, int c, char name[SOURCE_NAME_BYTES])
{
    snprintf(name, SOURCE_NAME_BYTES, "%s", source_class_name(from, c));
    for (char *at = name; *at; at++)
        if (*at == '/' || (unsigned char)*at < 0x20 || (at == name && *at == '.'))
            *at = '_';
}

static bool write_one(const writing *self, enum split split, size_t number, const uint8_t *image,
                      int label, error *err)
{
    char name[SOURCE_NAME_BYTES], path[PATH_BYTES];
    folder_name(self->from, label, name);
    snprintf(path, sizeof path, "%s/%s/%s", self->folder, splits[split], name);
    if (!make_folder(path, err))
        return false;
    snprintf(path, sizeof path, "%s/%s/%s/%07zu.png", self->folder, splits[split], name, number);
    return picture_write(path, image, self->shape, err);
}

static bool write_split(writing *self, enum split split, error *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", self->folder, splits[split]);
    if (!make_folder(path, err))
        return false;
    bool good = true;
    for (size_t first = 0, n; good && first < self->count[split]; first += n) {
        n = self->count[split] - first < PIECE ? self->count[split] - first : PIECE;
        good = source_read(self->from, split, first, n, self->images, self->labels, err);
        for (size_t k = 0; good && k < n; k++)
            good = write_one(self, split, first + k, self->images + k * image_bytes(self->shape),
                             self->labels[k], err);
    }
    return good;
}

/* Two floors of folders, and pictures in them. */
static void clear(const char *path, int depth)
{
    char below[PATH_BYTES];
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (n > 0 && (size_t)n < sizeof below && unlink(below) != 0 && depth > 0)
            clear(below, depth - 1);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static bool write_all(writing *self, const data_options *o, error *err)
{
    if (mkdir(self->folder, 0777) != 0)
        return error_environment(err, "%s: cannot be made: %s", self->folder, strerror(errno));
    if (!write_split(self, SPLIT_TRAIN, err) || !write_split(self, SPLIT_TEST, err))
        return false;
    if (rename(self->folder, o->out) == 0)
        return true;
    return (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                ? error_user
                : error_environment)(err, "%s: %s: name a new folder", o->out, strerror(errno));
}

static bool begin(writing *self, const data_options *o, error *err)
{
    struct stat is;
    size_t length = strlen(o->out);
    while (length > 1 && o->out[length - 1] == '/')
        length--;
    if (length >= OPTION_TEXT_BYTES)
        return error_user(err, "%.100s...: the name is too long", o->out);
    if (stat(o->out, &is) == 0)
        return error_user(err, "%s: exists already: name a new folder", o->out);
    snprintf(self->folder, sizeof self->folder, "%.*s.part-%ld", (int)length, o->out,
             (long)getpid());
    self->from = source_open(o->data, o->seed, err);
    if (!self->from)
        return false;
    self->shape = source_shape(self->from);
    if (self->shape.channels != 1 && self->shape.channels != 3)
        return error_user(err, "%s: images of %d channels: pictures have 1 or 3", o->data,
                          self->shape.channels);
    for (int split = 0; split < 2; split++) {
        size_t there = source_count(self->from, (enum split)split);
        self->count[split] = o->n > 0 && o->n < there ? (size_t)o->n : there;
    }
    self->images = memory_new(PIECE, image_bytes(self->shape), err);
    self->labels = self->images ? memory_new(PIECE, sizeof *self->labels, err) : NULL;
    return self->labels != NULL;
}

bool data_pictures(const data_options *options, error *err)
{
    writing self = {0};
    bool ready = begin(&self, options, err), good = ready && write_all(&self, options, err);
    if (good)
        printf("%s: %zu training and %zu test pictures of %d x %d\n", options->out,
               self.count[SPLIT_TRAIN], self.count[SPLIT_TEST], self.shape.height,
               self.shape.width);
    else if (ready)
        clear(self.folder, 2);
    memory_free(self.images);
    memory_free(self.labels);
    source_free(self.from);
    return good;
}
