#include "data/folder_list.h"

#include "base/memory.h"
#include "data/picture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The process's own limits and a broken disk are not the user's mistake. */
static bool refuse_open(const char *path, error *err)
{
    bool environment = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;
    return (environment ? error_environment : error_user)(err, "%s: cannot be opened: %s", path,
                                                          strerror(errno));
}

static bool join(char path[PATH_BYTES], const char *folder, const char *name)
{
    int n = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return n > 0 && n < PATH_BYTES;
}

/* d_type where the file system tells, else a look. */
static bool is_folder(const char *path, const struct dirent *entry)
{
    char full[PATH_BYTES];
    struct stat is;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return join(full, path, entry->d_name) && stat(full, &is) == 0 && S_ISDIR(is.st_mode);
}

static bool is_called_picture(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp"};
    const char *end = strrchr(name, '.');
    bool found = false;
    for (size_t i = 0; end && i < sizeof endings / sizeof *endings; i++)
        found = found || strcasecmp(end, endings[i]) == 0;
    return found;
}

/* The first bytes of a regular file; none of anything else. */
static bool read_start(const char *path, uint8_t start[PICTURE_LOOK_BYTES], size_t *n, error *err)
{
    struct stat is;
    *n = 0;
    if (stat(path, &is) != 0 || !S_ISREG(is.st_mode) || is.st_size == 0)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? pread(fd, start, PICTURE_LOOK_BYTES, 0) : -1;
    bool good = got >= 0 || refuse_open(path, err);
    if (fd >= 0)
        close(fd);
    *n = good ? (size_t)got : 0;
    return good;
}

/* Whether a file that is not called a picture is one. */
static bool look_at(const char *folder, const char *name, enum folder_entry what, bool *is_one,
                    error *err)
{
    char path[PATH_BYTES];
    uint8_t start[PICTURE_LOOK_BYTES];
    size_t n;
    *is_one = false;
    if (!join(path, folder, name))
        return true;
    if (!read_start(path, start, &n, err))
        return false;
    enum picture_sight sight = picture_look(start, n);
    *is_one = sight != PICTURE_NONE;
    return sight != PICTURE_OTHER || what != FOLDER_PICTURES || picture_refuse(path, start, n, err);
}

/* As far as that is told without opening it. */
static bool may_be_wanted(const char *path, const struct dirent *entry, enum folder_entry what)
{
    return entry->d_name[0] != '.' && is_folder(path, entry) == (what == FOLDER_FOLDERS);
}

static bool add(folder_list *self, size_t *room, const char *name, error *err)
{
    if (self->n == *room) {
        *room = 2 * *room + 64;
        char **more = memory_new(*room, sizeof *more, err);
        if (!more)
            return false;
        if (self->n > 0)
            memcpy(more, self->names, self->n * sizeof *more);
        memory_free(self->names);
        self->names = more;
    }
    char *copy = memory_new(strlen(name) + 1, 1, err);
    if (!copy)
        return false;
    strcpy(copy, name);
    self->names[self->n++] = copy;
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool list(folder_list *self, DIR *dir, const char *path, enum folder_entry what, size_t most,
                 error *err)
{
    size_t room = 0;
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(dir));)
        if (may_be_wanted(path, entry, what)) {
            good = self->n < most || error_user(err, "%s: more than %zu %s", path, most,
                                                what == FOLDER_FOLDERS ? "folders" : "pictures");
            good = good && add(self, &room, entry->d_name, err);
        }
    return good;
}

/* In the order of names, so that the first that cannot be read is the same everywhere. */
static bool keep_pictures(folder_list *self, const char *path, enum folder_entry what, error *err)
{
    size_t n = 0;
    bool good = true;
    for (size_t i = 0; i < self->n; i++) {
        char *name = self->names[i];
        bool is_one = is_called_picture(name);
        good = good && (is_one || look_at(path, name, what, &is_one, err));
        self->names[n] = name;
        if (is_one)
            n++;
        else
            memory_free(name);
    }
    self->n = n;
    return good;
}

bool folder_list_init(folder_list *self, const char *path, enum folder_entry what, size_t most,
                      error *err)
{
    *self = (folder_list){0};
    DIR *dir = opendir(path);
    if (!dir)
        return refuse_open(path, err);
    bool good = list(self, dir, path, what, most, err);
    closedir(dir);
    if (good && self->n > 0)
        qsort(self->names, self->n, sizeof *self->names, by_bytes);
    good = good && (what == FOLDER_FOLDERS || keep_pictures(self, path, what, err));
    if (!good)
        folder_list_release(self);
    return good;
}

void folder_list_release(folder_list *self)
{
    for (size_t i = 0; i < self->n; i++)
        memory_free(self->names[i]);
    memory_free(self->names);
    *self = (folder_list){0};
}

bool folder_list_has(const char *path, enum folder_entry what, size_t most)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *entry; dir && !found && most-- > 0 && (entry = readdir(dir));)
        if (may_be_wanted(path, entry, what)) {
            found = what == FOLDER_FOLDERS || is_called_picture(entry->d_name);
            if (!found)
                (void)look_at(path, entry->d_name, what, &found, NULL);
        }
    if (dir)
        closedir(dir);
    return found;
}
