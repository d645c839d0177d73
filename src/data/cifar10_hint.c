#include "cifar10_hint.h"

#include "data/cifar10.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *cifar10_fetch = "make data";

typedef struct place {
    int at;            /* the folder that was named */
    char name[512];    /* of the one looked into, as the user would name it */
    const char *below; /* the same, as seen from there */
    const char *stem;  /* what is missing, without its extension */
} place;

static bool has(const place *in, const char *extension)
{
    char path[400];
    int n = snprintf(path, sizeof path, "%s/%s%s", in->below, in->stem, extension);
    return n > 0 && (size_t)n < sizeof path && faccessat(in->at, path, F_OK, 0) == 0;
}

/* Is there a file that begins so? */
static bool begins_with(const place *in, const char *name, const char *start)
{
    char path[400], is[8];
    size_t n = strlen(start);
    int length = snprintf(path, sizeof path, "%s/%s", in->below, name);
    int fd = length > 0 && (size_t)length < sizeof path
                 ? openat(in->at, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    bool good = fd >= 0 && read(fd, is, n) == (ssize_t)n && memcmp(is, start, n) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool look(const place *in, char *text, size_t n_bytes)
{
    static const struct {
        const char *extension, *version;
    } others[] = {{"", "Python"}, {".mat", "Matlab"}};
    *text = '\0';
    if (has(in, ".bin"))
        snprintf(text, n_bytes, "it lies one folder below: name %s", in->name);
    else if (has(in, ".bin.gz"))
        snprintf(text, n_bytes, "it is there, but compressed: gunzip %s/*.gz", in->name);
    for (size_t k = 0; !*text && k < sizeof others / sizeof *others; k++)
        if (has(in, others[k].extension))
            snprintf(text, n_bytes,
                     "%s has CIFAR-10 for %s, and the binary version is needed: `%s` fetches it",
                     in->name, others[k].version, cifar10_fetch);
    return *text;
}

/* CIFAR-100's other versions, which nothing else has called so. */
static bool is_cifar100(const place *in, char *text, size_t n_bytes)
{
    static const struct {
        const char *train, *meta, *start, *version;
    } others[] = {{"train", "meta", "\x80", "Python"},
                  {"train.mat", "meta.mat", "MATLAB", "Matlab"}};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (begins_with(in, others[k].train, others[k].start) &&
            begins_with(in, others[k].meta, others[k].start)) {
            snprintf(text, n_bytes,
                     "%s has CIFAR-100 for %s, and the binary version is needed "
                     "(cifar-100-binary.tar.gz)",
                     in->name, others[k].version);
            return true;
        }
    return false;
}

/* IDX files whose names begin with another. */
static bool is_idx(const char *folder, const char *name, char *text, size_t n_bytes)
{
    const char *end = strstr(name, "-train-images");
    if (!end || end == name || !strstr(end, "idx3"))
        return false;
    snprintf(text, n_bytes, "the folder has IDX files: name %s/%.*s", folder, (int)(end - name),
             name);
    return true;
}

/* An archive that was fetched and not unpacked. */
static bool is_archive(const place *in, const char *name, char *text, size_t n_bytes)
{
    const char *end = strstr(name, ".tar.gz");
    if (strstr(name, "cifar") != name || !end || end[7])
        return false;
    snprintf(text, n_bytes, "%.400s is there, but packed: tar xzf it, and name the folder it makes",
             in->name);
    return true;
}

bool cifar10_hint(const char *folder, const char *name, char *text, size_t n_bytes)
{
    char stem[64];
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(name, "."), name);
    DIR *listed = opendir(folder);
    if (!listed)
        return false;
    place in = {.at = dirfd(listed), .below = ".", .stem = stem};
    snprintf(in.name, sizeof in.name, "%s", folder);
    bool found = look(&in, text, n_bytes) || is_cifar100(&in, text, n_bytes);
    for (struct dirent *entry; !found && (entry = readdir(listed));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            in.below = entry->d_name;
            snprintf(in.name, sizeof in.name, "%s/%s", folder, entry->d_name);
            found = look(&in, text, n_bytes) || is_cifar100(&in, text, n_bytes) ||
                    is_idx(folder, entry->d_name, text, n_bytes) ||
                    is_archive(&in, entry->d_name, text, n_bytes);
        }
    closedir(listed);
    return found;
}

bool cifar10_hint_file(const char *path, char *text, size_t n_bytes)
{
    static const struct {
        const char *magic, *told;
    } kinds[] = {
        {"\x1f\x8b",
         "is packed by gzip: where it is an archive, tar xzf it, and name the folder it makes"},
        {"PK\3\4", "is a zip archive: unzip it, and name the folder it makes"},
        {"BZh", "is packed by bzip2: tar xjf it, and name the folder it makes"},
        {"\xfd"
         "7zXZ",
         "is packed by xz: tar xJf it, and name the folder it makes"},
        {"\x80\2", "is a pickle of Python's; CIFAR's binary version is needed, or an npz file"},
        {"\x80\3", "is a pickle of Python's; CIFAR's binary version is needed, or an npz file"},
        {"\x80\4", "is a pickle of Python's; CIFAR's binary version is needed, or an npz file"},
        {"\x93NUMPY",
         "is one array of NumPy's: images and labels together in an npz file are needed"},
        {"\x89PNG", "is one picture: name the folder with a folder for each class"},
        {"\xff\xd8\xff", "is one picture: name the folder with a folder for each class"},
    };
    char start[8] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, start, sizeof start - 1) : 0;
    if (fd >= 0)
        close(fd);
    for (size_t k = 0; got > 0 && k < sizeof kinds / sizeof *kinds; k++)
        if (strncmp(start, kinds[k].magic, strlen(kinds[k].magic)) == 0) {
            snprintf(text, n_bytes, "%s", kinds[k].told);
            return true;
        }
    return false;
}
