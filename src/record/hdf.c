#include "hdf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kept here as calls fail, because releasing what they leave behind clears HDF5's own stack. */
static _Thread_local char last_cause[HDF_CAUSE_BYTES];

static herr_t keep_innermost(unsigned n, const H5E_error2_t *entry, void *user)
{
    (void)user;
    if (n == 0)
        snprintf(last_cause, sizeof last_cause, "%s", entry->desc ? entry->desc : "");
    return 0;
}

static herr_t keep_cause(hid_t stack, void *user)
{
    return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_innermost, user);
}

/* It loads no filters, either, and does not clean up at exit: after a failed close (a full disk) it would crash. */
void hdf_quiet(void)
{
    static bool asked;
    if (!asked) {
        (void)H5dont_atexit();
        (void)H5PLset_loading_state(0);
    }
    asked = true;
    last_cause[0] = '\0';
    H5Eset_auto2(H5E_DEFAULT, keep_cause, NULL);
}

const char *hdf_cause(char text[HDF_CAUSE_BYTES])
{
    static const char mark[] = "error message = '";
    const char *cause = strstr(last_cause, mark); /* what the system said, out of many words */
    if (cause)
        snprintf(text, HDF_CAUSE_BYTES, "%.*s", (int)strcspn(cause + sizeof mark - 1, "'"),
                 cause + sizeof mark - 1);
    else
        snprintf(text, HDF_CAUSE_BYTES, "%s", last_cause[0] ? last_cause : "HDF5 gives no reason");
    return text;
}

bool hdf_close(hid_t id)
{
    return id < 0 || H5Idec_ref(id) >= 0;
}

hid_t hdf_text_type(size_t n_bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, n_bytes) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        hdf_close(type);
        return -1;
    }
    return type;
}

/*
 * Locks are of no use to a reader here, and fail on some network file systems.  Opened through the
 * descriptor: what was checked is what is read, whatever has its name by now.
 */
static hid_t open_unlocked(int fd)
{
    char path[32];
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0 || H5Pset_file_locking(access, false, true) < 0 ||
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0) {
        hdf_close(access);
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    hdf_close(access);
    return file;
}

static hid_t open_checked(int fd, const char *path, size_t *n_bytes, error *err)
{
    struct stat status;
    char cause[HDF_CAUSE_BYTES];
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_user(err, "%s: cannot be opened: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        error_user(err, "%s: is no regular file, expected an HDF5 file", path);
        return -1;
    }
    *n_bytes = (size_t)status.st_size;
    hid_t file = open_unlocked(fd);
    if (file >= 0)
        return file;
    hdf_cause(cause);
    if (strcmp(cause, "file signature not found") == 0)
        error_user(err, "%s: is no HDF5 file", path);
    else
        error_user(err, "%s: cannot be opened as an HDF5 file: %s", path, cause);
    return -1;
}

/* HDF5 does not open what was replaced since open(): another file has the name by then. */
static bool was_replaced(int fd, const char *path)
{
    struct stat opened, named;
    return fd >= 0 && fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode) &&
           (stat(path, &named) != 0 || named.st_ino != opened.st_ino ||
            named.st_dev != opened.st_dev);
}

hid_t hdf_open(const char *path, size_t *n_bytes, error *err)
{
    hdf_quiet();
    for (int left = 100;; left--) {
        error found = {0};
        /* A pipe would wait for its writer. */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        hid_t file = open_checked(fd, path, n_bytes, &found);
        bool again = file < 0 && left > 0 && was_replaced(fd, path);
        if (fd >= 0)
            close(fd);
        if (again)
            continue;
        if (file < 0 && err && err->kind == ERROR_NONE)
            *err = found;
        return file;
    }
}

/* HDF5 reads zeros where a file has lost its end. */
bool hdf_check_size(hid_t file, const char *path, size_t n_bytes, error *err)
{
    void *handle = NULL;
    struct stat status;
    if (H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0 && handle &&
        fstat(*(int *)handle, &status) == 0 && (size_t)status.st_size >= n_bytes)
        return true;
    return error_user(err, "%s: has become shorter while it was read; try again", path);
}

bool hdf_has(hid_t group, const char *name)
{
    return H5Lexists(group, name, H5P_DEFAULT) > 0;
}

/* One step along a path; `path` up to length `end` names the child, for messages. */
static hid_t open_child(hid_t group, const char *name, const char *file_name, const char *path,
                        int end, error *err)
{
    H5L_info_t link;
    hid_t child = -1;
    char cause[HDF_CAUSE_BYTES];
    if (H5Iget_type(group) != H5I_GROUP && H5Iget_type(group) != H5I_FILE)
        error_user(err, "%s: there is no %.*s", file_name, end, path);
    else if (!hdf_has(group, name))
        error_user(err, "%s: there is no %.*s", file_name, end, path);
    else if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        error_user(err, "%s: %.*s is a link to elsewhere, which is not followed", file_name, end,
                   path);
    else if ((child = H5Oopen(group, name, H5P_DEFAULT)) < 0)
        error_user(err, "%s: %.*s cannot be opened: %s", file_name, end, path, hdf_cause(cause));
    return child;
}

hid_t hdf_open_object(hid_t file, const char *file_name, const char *path, error *err)
{
    char cause[HDF_CAUSE_BYTES];
    hid_t here = H5Oopen(file, "/", H5P_DEFAULT);
    if (here < 0)
        error_user(err, "%s: / cannot be opened: %s", file_name, hdf_cause(cause));
    for (const char *at = path + strspn(path, "/"); *at && here >= 0; at += strspn(at, "/")) {
        char name[256];
        size_t length = strcspn(at, "/");
        hid_t child = -1;
        if (length < sizeof name) {
            memcpy(name, at, length);
            name[length] = '\0';
            child = open_child(here, name, file_name, path, (int)(at + length - path), err);
        } else {
            error_user(err, "%s: the name of a group is too long: %.40s...", file_name, at);
        }
        hdf_close(here);
        here = child;
        at += length;
    }
    return here;
}

bool hdf_lacks(hid_t file, const char *path)
{
    char folder[256];
    const char *name = strrchr(path, '/') + 1;
    int length = (int)(name - 1 - path);
    if ((size_t)length >= sizeof folder)
        return false;
    snprintf(folder, sizeof folder, "%.*s", length, path);
    if (length > 0 && hdf_lacks(file, folder))
        return true;
    hid_t group = hdf_open_object(file, "", folder, NULL);
    bool lacks = H5Iget_type(group) == H5I_GROUP && H5Lexists(group, name, H5P_DEFAULT) == 0;
    hdf_close(group);
    return lacks;
}
