#include "record/record.h"

#include "record/place.h"

#include "base/memory.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool record_is_written(const char *path)
{
    return place_is_locked(path);
}

bool record_check_new(const char *path, bool force, error *err)
{
    char *temporary;
    if (!place_check(path, force, "--out", err))
        return false;
    int fd = place_open(path, &temporary, err);
    if (fd < 0)
        return false;
    close(fd);
    unlink(temporary);
    memory_free(temporary);
    return true;
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

char *record_cut_group(char *path)
{
    char *last = NULL;
    if (is_file(path))
        return NULL;
    for (char *at = path + strlen(path); at > path; at--) {
        if (at[0] != ':' || at[1] != '/')
            continue;
        at[0] = '\0';
        if (is_file(path))
            return at + 1;
        at[0] = ':';
        last = last ? last : at;
    }
    if (!last)
        return NULL;
    *last = '\0';
    return last + 1;
}
