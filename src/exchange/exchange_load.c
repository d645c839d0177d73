#include "exchange/exchange.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A regular file, or -1 with err. */
static int open_file(const char *path, uint64_t *n_bytes, error *err)
{
    struct stat is;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for its writer */
    if (fd < 0 || fstat(fd, &is) != 0) {
        error_user(err, "%s: cannot be opened: %s", path, strerror(errno));
    } else if (!S_ISREG(is.st_mode)) {
        error_user(err, "%s: not a regular file", path);
    } else {
        *n_bytes = (uint64_t)is.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool read_bytes(int fd, const char *path, uint8_t *to, size_t n, error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_environment(err, "%s: cannot be read at byte %zu: %s", path, done,
                                     got < 0 ? strerror(errno) : "it has become shorter");
        done += (size_t)got;
    }
    return true;
}

uint8_t *exchange_load(const char *path, size_t *n, error *err)
{
    uint64_t n_bytes;
    uint8_t *bytes = NULL;
    int fd = open_file(path, &n_bytes, err);
    if (fd < 0)
        return NULL;
    if (n_bytes > EXCHANGE_MAX_BYTES)
        error_user(err, "%s: has %llu bytes; at most %llu are read", path,
                   (unsigned long long)n_bytes, (unsigned long long)EXCHANGE_MAX_BYTES);
    else
        bytes = memory_new((size_t)n_bytes, 1, err);
    *n = (size_t)n_bytes;
    if (bytes && !read_bytes(fd, path, bytes, *n, err)) {
        memory_free(bytes);
        bytes = NULL;
    }
    close(fd);
    return bytes;
}

bool exchange_load_head(const char *path, uint8_t head[EXCHANGE_HEAD_BYTES], size_t *n,
                        uint64_t *n_bytes, error *err)
{
    int fd = open_file(path, n_bytes, err);
    if (fd < 0)
        return false;
    *n = *n_bytes < EXCHANGE_HEAD_BYTES ? (size_t)*n_bytes : EXCHANGE_HEAD_BYTES;
    bool good = read_bytes(fd, path, head, *n, err);
    close(fd);
    return good;
}

bool exchange_refuse_pickle(const char *path, error *err)
{
    return error_user(err,
                      "%.200s: is one of Python's pickles, which are programs; in Python: import "
                      "torch, safetensors.torch; safetensors.torch.save_file("
                      "torch.load(\"%.200s\", weights_only=True), \"model.safetensors\")",
                      path, path);
}
