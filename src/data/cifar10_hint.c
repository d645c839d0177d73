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

bool cifar10_hint(const char *folder, const char *name, char *text, size_t n_bytes)
{
    char stem[64];
    snprintf(stem, sizeof stem, "%.*s", (int)strcspn(name, "."), name);
    DIR *listed = opendir(folder);
    if (!listed)
        return false;
    place in = {.at = dirfd(listed), .below = ".", .stem = stem};
    snprintf(in.name, sizeof in.name, "%s", folder);
    bool found = look(&in, text, n_bytes);
    for (struct dirent *entry; !found && (entry = readdir(listed));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            in.below = entry->d_name;
            snprintf(in.name, sizeof in.name, "%s/%s", folder, entry->d_name);
            found = look(&in, text, n_bytes);
        }
    closedir(listed);
    return found;
}
