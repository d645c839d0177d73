#include "record/place.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100, NAME_PART_BYTES = 200 /* leaves room for the rest of a temporary's name */ };

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* path's folder, "" or with its last slash; memory_free it. */
static char *folder_of(const char *path, error *err)
{
    size_t length = (size_t)(name_of(path) - path);
    char *folder = memory_new(length + 3, 1, err);
    if (folder)
        memcpy(folder, length > 0 ? path : "./", length > 0 ? length : 2);
    return folder;
}

/*
 * Two locks, both shared so that readers are never kept out.  The BSD lock is the one HDF5 takes:
 * no program opens the file for writing through HDF5 meanwhile.  The other, which locally no HDF5
 * program takes, tells a run from a reader.  Where the file system knows no locks there are none.
 */
void place_lock(int fd)
{
    struct flock mark = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    (void)flock(fd, LOCK_SH | LOCK_NB);
    (void)fcntl(fd, F_OFD_SETLK, &mark);
}

bool place_is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    struct flock probe = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool locked = fcntl(fd, F_OFD_GETLK, &probe) == 0 && probe.l_type != F_UNLCK;
    close(fd);
    return locked;
}

static bool check_folder(const char *path, const char *option, error *err)
{
    struct stat status;
    char *folder = folder_of(path, err);
    if (!folder)
        return false;
    bool good = true;
    if (stat(folder, &status) != 0)
        good = errno == EACCES
                   ? error_environment(err, "%s: the folder cannot be entered: %s", path,
                                       strerror(errno))
                   : error_user(err, "%s: no such folder; make it first or choose another %s", path,
                                option);
    memory_free(folder);
    return good;
}

bool place_check(const char *path, bool force, const char *option, error *err)
{
    struct stat status;
    const char *name = name_of(path);
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_user(err, "%s %s: is no file name", option, path);
    if (lstat(path, &status) != 0) {
        if (errno == ENAMETOOLONG)
            return error_user(err, "%.100s...: the name is too long; choose another %s", path,
                              option);
        if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
            return check_folder(path, option, err);
        return error_environment(err, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode))
        return error_user(err, "%s: is there and is no regular file; choose another %s", path,
                          option);
    if (!force)
        return error_user(err, "%s: exists; choose another %s or add --force", path, option);
    if (place_is_locked(path))
        return error_user(err, "%s: a run is writing it just now; choose another %s", path, option);
    return true;
}

bool place_same(const char *a, const char *b)
{
    error err = {0};
    struct stat at_a, at_b;
    char *folder_a = folder_of(a, &err), *folder_b = folder_of(b, &err);
    bool same = strcmp(name_of(a), name_of(b)) == 0 && folder_a && folder_b &&
                stat(folder_a, &at_a) == 0 && stat(folder_b, &at_b) == 0 &&
                at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
    memory_free(folder_a);
    memory_free(folder_b);
    return same;
}

int place_open(const char *path, char **temporary, error *err)
{
    int fd = -1;
    size_t room = strlen(path) + 32;
    char *folder = folder_of(path, err), *name = memory_new(room, 1, err);
    errno = EEXIST;
    for (int i = 0; folder && name && fd < 0 && errno == EEXIST && i < ATTEMPTS; i++) {
        uint32_t number = (uint32_t)i;
        if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
            number ^= (uint32_t)getpid();
        snprintf(name, room, "%s.%.*s.%08x.tmp", folder, NAME_PART_BYTES, name_of(path), number);
        fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    }
    if (fd < 0) {
        error_environment(err, "%s: cannot be written: %s", path, strerror(errno));
        memory_free(name);
        name = NULL;
    }
    memory_free(folder);
    *temporary = name;
    return fd;
}

/* Where nothing else keeps a name: it is taken by an empty file first, and that one is replaced. */
static int move_to_reserved(const char *from, const char *to)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return -1;
    close(fd);
    if (rename(from, to) == 0)
        return 0;
    int number = errno;
    (void)unlink(to);
    errno = number;
    return -1;
}

/* What rename(2) would do, but never over another file. */
static int move_new(const char *from, const char *to)
{
    if (link(from, to) == 0) {
        (void)unlink(from); /* the file is where it should be, come what may */
        return 0;
    }
    if (errno == EEXIST)
        return -1;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) /* no hard links here */
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
        return -1;
    return move_to_reserved(from, to);
}

static bool sync_folder(const char *path, error *err)
{
    char *folder = folder_of(path, err);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool good = fd >= 0 ? fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP
                        : folder && errno == EACCES; /* may be written to, but not be read */
    if (!good)
        error_environment(err, "%s: the folder cannot be synced: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    memory_free(folder);
    return good;
}

/* A name that nobody else has, as the temporary's; memory_free it. */
static char *aside_of(const char *temporary, error *err)
{
    size_t room = strlen(temporary) + sizeof ".old";
    char *aside = memory_new(room, 1, err);
    if (aside)
        snprintf(aside, room, "%s.old", temporary);
    return aside;
}

static bool refuse_name(const char *path, error *err)
{
    return error_environment(err, "%s: cannot be given its name: %s", path, strerror(errno));
}

/* What stands at path has another name until it is sure that it is no longer needed. */
static bool publish_over(const char *temporary, const char *path, error *err)
{
    char *aside = aside_of(temporary, err);
    if (!aside)
        return false;
    bool kept = link(path, aside) == 0, is_new = !kept && errno == ENOENT;
    bool good = kept || sync_folder(path, err); /* without hard links it must not fail later */
    if (good && rename(temporary, path) != 0) {
        good = refuse_name(path, err);
    } else if (good && !sync_folder(path, err)) {
        good = false;
        (void)(kept ? rename(aside, path) : is_new ? unlink(path) : 0);
    }
    if (kept)
        (void)unlink(aside);
    memory_free(aside);
    return good;
}

bool place_publish(const char *temporary, const char *path, bool force, error *err)
{
    if (force)
        return place_check(path, true, "--out", err) && publish_over(temporary, path, err);
    if (move_new(temporary, path) != 0)
        return errno == EEXIST
                   ? error_user(err, "%s: exists; choose another --out or add --force", path)
                   : refuse_name(path, err);
    if (sync_folder(path, err))
        return true;
    unlink(path);
    return false;
}

/*
 * What stands at path gets the name `aside` as well or, where there are no hard links, instead.  Then the
 * name is `previous` if that is free: should the run end right now, it is where it is looked for.
 * Returns the name, or NULL with errno: ENOENT where nothing stands at path.
 */
static const char *set_aside(const char *path, const char *aside, const char *previous, bool *moved)
{
    struct stat status;
    *moved = false;
    if (link(path, aside) == 0)
        return aside;
    if (errno == ENOENT)
        return NULL;
    const char *name = lstat(previous, &status) == 0 ? aside : previous;
    *moved = rename(path, name) == 0;
    return *moved ? name : NULL;
}

static bool replace_keeping(const char *temporary, const char *path, const char *aside,
                            const char *previous, error *err)
{
    bool moved;
    const char *kept = set_aside(path, aside, previous, &moved);
    if (!kept && errno != ENOENT)
        return refuse_name(previous, err);
    if (rename(temporary, path) != 0) {
        refuse_name(path, err);
        if (kept)
            (void)(moved ? rename(kept, path) : unlink(kept));
        return false;
    }
    if (kept == aside && rename(aside, previous) != 0) {
        refuse_name(previous, err);
        (void)rename(aside, path);
        return false;
    }
    (void)unlink(aside); /* rename leaves it where previous was a name of the same file */
    return true;
}

bool place_replace(const char *temporary, const char *path, const char *previous, error *err)
{
    if (!previous)
        return (rename(temporary, path) == 0 || refuse_name(path, err)) && sync_folder(path, err);
    char *aside = aside_of(temporary, err);
    bool good = aside && replace_keeping(temporary, path, aside, previous, err);
    memory_free(aside);
    return good && sync_folder(path, err);
}
