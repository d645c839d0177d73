#include "predict/stream.h"

#include "base/memory.h"
#include "data/picture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_BYTES = 1 << 16 };

struct stream {
    int fd;
    uint8_t *buffer;
    size_t from, n, room; /* what is not passed: from .. n - 1 */
    uint64_t passed;      /* bytes of the stream before the buffer */
    picture_end end;      /* of the picture at its beginning */
    bool ended;           /* nothing more comes */
};

stream *stream_new(int fd, error *err)
{
    stream *self = memory_new(1, sizeof *self, err);
    if (!self)
        return NULL;
    self->fd = fd;
    self->room = FIRST_BYTES;
    self->buffer = memory_new(self->room, 1, err);
    if (self->buffer)
        return self;
    stream_free(self);
    return NULL;
}

void stream_free(stream *self)
{
    if (!self)
        return;
    memory_free(self->buffer);
    memory_free(self);
}

/* What was passed makes room first. */
static bool grow(stream *self, error *err)
{
    uint8_t *to = self->buffer;
    if (self->from == 0 && self->n == self->room) {
        to = memory_new(2 * self->room, 1, err);
        if (!to)
            return false;
        self->room *= 2;
    }
    memmove(to, self->buffer + self->from, self->n - self->from);
    if (to != self->buffer)
        memory_free(self->buffer);
    self->buffer = to;
    self->n -= self->from;
    self->from = 0;
    return true;
}

static bool read_more(stream *self, error *err)
{
    ssize_t got;
    if (!grow(self, err))
        return false;
    do
        got = read(self->fd, self->buffer + self->n, self->room - self->n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_environment(err, "standard input cannot be read: %s", strerror(errno));
    self->ended = got == 0;
    self->n += (size_t)got;
    return true;
}

static void pass(stream *self, size_t n)
{
    self->from += n;
    self->passed += n;
    self->end = (picture_end){0};
}

static void pass_filling(stream *self)
{
    size_t n = self->from;
    while (n < self->n &&
           (self->buffer[n] == '\0' || self->buffer[n] == '\n' || self->buffer[n] == '\r'))
        n++;
    pass(self, n - self->from);
}

static bool find_end(stream *self, size_t *length, error *err)
{
    char name[64];
    if (self->end.at == 0)
        pass_filling(self);
    const size_t n = self->n - self->from;
    snprintf(name, sizeof name, "standard input, byte %llu", (unsigned long long)self->passed);
    if (!picture_end_find(&self->end, name, self->buffer + self->from, n, length, err))
        return false;
    return *length > 0 || !self->ended || n == 0 ||
           error_user(err, "%s: the picture that begins here is cut off after %zu bytes", name, n);
}

bool stream_next(stream *self, uint8_t **data, size_t *n, error *err)
{
    *data = NULL;
    while (find_end(self, n, err)) {
        if (*n > 0) {
            *data = memory_new(*n, 1, err);
            if (!*data)
                return false;
            memcpy(*data, self->buffer + self->from, *n);
            pass(self, *n);
            return true;
        }
        if (self->ended)
            return true;
        if (!read_more(self, err))
            return false;
    }
    return false;
}

bool stream_is_idle(stream *self)
{
    size_t length = 0;
    error none = {0};
    struct pollfd ready = {.fd = self->fd, .events = POLLIN};
    if (!find_end(self, &length, &none) || length > 0)
        return false; /* the next call tells */
    return !self->ended && poll(&ready, 1, 0) == 0;
}
