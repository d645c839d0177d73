#include "data/bytes.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BUFFER_BYTES = 1 << 16, GZIP_MAGIC_BYTES = 2 };

struct bytes {
    char *path;
    int fd;
    uint64_t start, n; /* in the file, as packed */
    enum packing packing;
    z_stream stream;   /* where packed */
    bool begun, ended; /* inflateInit2 was called; the last byte was unpacked */
    uint64_t fed, out; /* packed bytes taken, bytes unpacked so far */
    uint8_t buffer[BUFFER_BYTES];
};

/* ---- opening --------------------------------------------------------------------------------- */

/* The process's own limits and a broken disk are not the user's mistake. */
static bool refuse_open(const char *path, error *err)
{
    bool environment = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EIO;
    return (environment ? error_environment : error_user)(err, "%s: cannot be opened: %s", path,
                                                          strerror(errno));
}

static bytes *new_bytes(const char *path, int fd, error *err)
{
    bytes *self = memory_new(1, sizeof *self, err);
    if (self) {
        self->fd = fd;
        self->path = memory_new(strlen(path) + 1, 1, err);
    }
    if (self && self->path) {
        strcpy(self->path, path);
        return self;
    }
    memory_free(self);
    close(fd);
    return NULL;
}

static bool look_at_file(bytes *self, error *err)
{
    struct stat is;
    uint8_t magic[GZIP_MAGIC_BYTES];
    if (fstat(self->fd, &is) != 0)
        return refuse_open(self->path, err);
    if (!S_ISREG(is.st_mode))
        return error_user(err, "%s: not a regular file", self->path);
    self->n = (uint64_t)is.st_size;
    if (pread(self->fd, magic, sizeof magic, 0) == sizeof magic && magic[0] == 0x1f &&
        magic[1] == 0x8b)
        self->packing = PACKING_GZIP;
    return true;
}

bytes *bytes_open(const char *path, error *err)
{
    /* Not blocking: a pipe of that name would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        refuse_open(path, err);
        return NULL;
    }
    bytes *self = new_bytes(path, fd, err);
    if (!self || look_at_file(self, err))
        return self;
    bytes_free(self);
    return NULL;
}

bytes *bytes_part(const bytes *whole, uint64_t at, uint64_t n, enum packing packing, error *err)
{
    if (at > whole->n || n > whole->n - at) {
        error_user(err, "%s: is cut off: %llu bytes from byte %llu on are expected, it has %llu",
                   whole->path, (unsigned long long)n, (unsigned long long)at,
                   (unsigned long long)whole->n);
        return NULL;
    }
    int fd = fcntl(whole->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        refuse_open(whole->path, err);
        return NULL;
    }
    bytes *self = new_bytes(whole->path, fd, err);
    if (self) {
        self->start = whole->start + at;
        self->n = n;
        self->packing = packing;
    }
    return self;
}

void bytes_free(bytes *self)
{
    if (!self)
        return;
    if (self->begun)
        inflateEnd(&self->stream);
    close(self->fd);
    memory_free(self->path);
    memory_free(self);
}

const char *bytes_path(const bytes *self)
{
    return self->path;
}

bool bytes_packed(const bytes *self)
{
    return self->packing != PACKING_NONE;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_file(bytes *self, uint64_t at, void *to, size_t n, error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got =
            pread(self->fd, (uint8_t *)to + done, n - done, (off_t)(self->start + at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return error_environment(err, "%s: cannot be read at byte %llu: %s", self->path,
                                     (unsigned long long)(self->start + at + done),
                                     got < 0 ? strerror(errno) : "it has become shorter");
        done += (size_t)got;
    }
    return true;
}

static bool begin(bytes *self, error *err)
{
    static const int bits[] = {
        [PACKING_GZIP] = 15 + 16, [PACKING_ZLIB] = 15, [PACKING_DEFLATE] = -15};
    int status = self->begun ? inflateReset(&self->stream)
                             : inflateInit2(&self->stream, bits[self->packing]);
    self->begun = self->begun || status == Z_OK;
    self->ended = false;
    self->fed = self->out = 0;
    self->stream.avail_in = 0;
    return status == Z_OK || error_environment(err, "%s: zlib: %s", self->path, zError(status));
}

static bool feed(bytes *self, error *err)
{
    uint64_t left = self->n - self->fed;
    size_t n = left < BUFFER_BYTES ? (size_t)left : BUFFER_BYTES;
    if (n == 0)
        return error_user(err, "%s: is cut off: its packed data end after %llu bytes", self->path,
                          (unsigned long long)self->out);
    if (!read_file(self, self->fed, self->buffer, n, err))
        return false;
    self->fed += n;
    self->stream.next_in = self->buffer;
    self->stream.avail_in = (uInt)n;
    return true;
}

/* The end, unless another gzip file is behind this one. */
static bool end_member(bytes *self, error *err)
{
    self->ended = self->packing != PACKING_GZIP;
    if (!self->ended && self->stream.avail_in == 0 && self->fed < self->n && !feed(self, err))
        return false;
    if (!self->ended)
        self->ended = self->stream.avail_in == 0 || self->stream.next_in[0] != 0x1f ||
                      inflateReset(&self->stream) != Z_OK;
    return true;
}

/* Up to n bytes on from where it stands; *got less than n: that was the end. */
static bool unpack(bytes *self, uint8_t *to, size_t n, size_t *got, error *err)
{
    z_stream *z = &self->stream;
    for (*got = 0; *got < n && !self->ended;) {
        size_t part = n - *got < (1U << 30) ? n - *got : 1U << 30;
        if (z->avail_in == 0 && !feed(self, err))
            return false;
        z->next_out = to + *got;
        z->avail_out = (uInt)part;
        int status = inflate(z, Z_NO_FLUSH);
        part -= z->avail_out;
        *got += part;
        self->out += part;
        if (status == Z_MEM_ERROR)
            return error_environment(err, "%s: zlib: out of memory", self->path);
        if (status == Z_STREAM_END && !end_member(self, err))
            return false;
        if (status != Z_STREAM_END && status != Z_OK)
            return error_user(err, "%s: is damaged: it cannot be unpacked beyond byte %llu (%s)",
                              self->path, (unsigned long long)self->out,
                              z->msg ? z->msg : zError(status));
    }
    return true;
}

/* To a place, which may be past the end: then self->out is the end. */
static bool skip_to(bytes *self, uint64_t at, error *err)
{
    uint8_t waste[4096];
    if ((!self->begun || at < self->out) && !begin(self, err))
        return false;
    while (self->out < at && !self->ended) {
        size_t n = at - self->out < sizeof waste ? (size_t)(at - self->out) : sizeof waste, got;
        if (!unpack(self, waste, n, &got, err))
            return false;
    }
    return true;
}

bool bytes_length(bytes *self, uint64_t most, uint64_t *n, error *err)
{
    *n = self->n;
    if (self->packing != PACKING_NONE) {
        if (!skip_to(self, most + 1, err))
            return false;
        *n = self->out;
    }
    return *n <= most || error_user(err, "%s: is too long: more than %llu bytes", self->path,
                                    (unsigned long long)most);
}

bool bytes_read(bytes *self, uint64_t at, void *to, size_t n, error *err)
{
    size_t got = 0;
    if (self->packing == PACKING_NONE) {
        if (at <= self->n && n <= self->n - at)
            return read_file(self, at, to, n, err);
    } else if (!skip_to(self, at, err) || !unpack(self, to, n, &got, err)) {
        return false;
    } else if (got == n) {
        return true;
    }
    return error_user(err, "%s: is cut off: %zu bytes from byte %llu on are expected", self->path,
                      n, (unsigned long long)at);
}
