#include "exchange/exchange.h"

#include "base/memory.h"
#include "record/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef bool fill(const void *what, const exchange_out *out, error *err);

static bool fill_all(fill *how, const void *what, const exchange_out *out, error *err)
{
    if (!how(what, out, err))
        return false;
    errno = 0;
    return (fflush(out->stream) == 0 && !ferror(out->stream) && fsync(fileno(out->stream)) == 0) ||
           error_environment(err, "%s: cannot be written: %s", out->path,
                             errno ? strerror(errno) : "the disk may be full");
}

/* A file that appears whole or not at all. */
static bool put_file(const char *path, bool force, fill *how, const void *what, error *err)
{
    char *temporary;
    int fd = place_check(path, force, "name", err) ? place_open(path, &temporary, err) : -1;
    if (fd < 0)
        return false;
    exchange_out out = {path, temporary, fdopen(fd, "wb")};
    bool good = out.stream ? fill_all(how, what, &out, err)
                           : error_environment(err, "%s: %s", path, strerror(errno));
    if (out.stream ? fclose(out.stream) != 0 : close(fd) != 0)
        good = good && error_environment(err, "%s: cannot be written: %s", path, strerror(errno));
    good = good && place_publish(temporary, path, force, err);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    return good;
}

typedef struct writing {
    const exchange_format *format;
    const exchange_model *from;
} writing;

static bool fill_format(const void *what, const exchange_out *out, error *err)
{
    const writing *self = what;
    return self->format->write(self->from, out, err);
}

bool exchange_write(const exchange_model *from, const char *path, bool force, error *err)
{
    writing what = {exchange_format_of(path, err), from};
    if (!what.format)
        return false;
    if (place_same(from->path, path))
        return error_user(err, "%s: is what is to be exported; choose another name", path);
    return put_file(path, force, fill_format, &what, err);
}

static bool fill_text(const void *what, const exchange_out *out, error *err)
{
    (void)err;
    fputs(what, out->stream);
    return true;
}

bool exchange_write_text(const char *path, bool force, const char *text, error *err)
{
    return put_file(path, force, fill_text, text, err);
}
