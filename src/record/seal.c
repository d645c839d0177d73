#include "seal.h"

#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { READ_BYTES = 1 << 16 };

static bool seal_matches(int fd, off_t n_bytes)
{
    char buffer[READ_BYTES];
    seal end;
    off_t n = n_bytes - (off_t)sizeof end;
    if (n < 0 || pread(fd, &end, sizeof end, n) != (ssize_t)sizeof end ||
        memcmp(end.mark, SEAL_MARK, sizeof end.mark) != 0 || end.n_bytes != (uint64_t)n)
        return false;
    uLong crc = crc32(0, NULL, 0);
    while (n > 0) {
        ssize_t done = read(fd, buffer, n < READ_BYTES ? (size_t)n : READ_BYTES);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        crc = crc32(crc, (const Bytef *)buffer, (uInt)done);
        n -= done;
    }
    return crc == end.crc;
}

bool seal_check(const char *path, error *err)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_user(err, "%s: cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool regular = S_ISREG(status.st_mode);
    bool good = regular && (double)status.st_size <= SCHEMA_MAX_BYTES + sizeof(seal) &&
                seal_matches(fd, status.st_size);
    if (!good)
        error_user(err,
                   regular ? "%s: is no whole checkpoint"
                           : "%s: is no regular file, expected a checkpoint",
                   path);
    close(fd);
    return good;
}
