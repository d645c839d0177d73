#include "data/folder_list.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* d_type where the file system tells, else a look. */
static bool is_folder(const char *path, const struct dirent *entry)
{
    char full[4096];
    struct stat is;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    int n = snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
    return n > 0 && (size_t)n < sizeof full && stat(full, &is) == 0 && S_ISDIR(is.st_mode);
}

static bool is_picture(const char *name)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp"};
    const char *end = strrchr(name, '.');
    bool found = false;
    for (size_t i = 0; end && i < sizeof endings / sizeof *endings; i++)
        found = found || strcasecmp(end, endings[i]) == 0;
    return found;
}

static bool is_wanted(const char *path, const struct dirent *entry, enum folder_entry what)
{
    if (entry->d_name[0] == '.')
        return false;
    if (what == FOLDER_FOLDERS)
        return is_folder(path, entry);
    return is_picture(entry->d_name) && !is_folder(path, entry);
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

bool folder_list_init(folder_list *self, const char *path, enum folder_entry what, size_t most,
                      error *err)
{
    *self = (folder_list){0};
    DIR *dir = opendir(path);
    if (!dir)
        return (errno == EMFILE || errno == ENFILE || errno == ENOMEM
                    ? error_environment
                    : error_user)(err, "%s: cannot be opened: %s", path, strerror(errno));
    size_t room = 0;
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(dir));)
        if (is_wanted(path, entry, what)) {
            good = self->n < most || error_user(err, "%s: more than %zu %s", path, most,
                                                what == FOLDER_FOLDERS ? "folders" : "pictures");
            good = good && add(self, &room, entry->d_name, err);
        }
    closedir(dir);
    if (good && self->n > 0)
        qsort(self->names, self->n, sizeof *self->names, by_bytes);
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
        found = is_wanted(path, entry, what);
    if (dir)
        closedir(dir);
    return found;
}
