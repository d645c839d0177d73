#include "exchange/exchange.h"

#include "base/memory.h"
#include "record/place.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool fill(const exchange_format *format, const exchange_model *from, const exchange_out *out,
                 error *err)
{
    if (!format->write(from, out, err))
        return false;
    errno = 0;
    return (fflush(out->stream) == 0 && !ferror(out->stream) && fsync(fileno(out->stream)) == 0) ||
           error_environment(err, "%s: cannot be written: %s", out->path,
                             errno ? strerror(errno) : "the disk may be full");
}

bool exchange_write(const exchange_model *from, const char *path, bool force, error *err)
{
    const exchange_format *format = exchange_format_of(path, err);
    if (!format || !place_check(path, force, "name", err))
        return false;
    if (place_same(from->path, path))
        return error_user(err, "%s: is what is to be exported; choose another name", path);
    char *temporary;
    int fd = place_open(path, &temporary, err);
    if (fd < 0)
        return false;
    exchange_out out = {path, temporary, fdopen(fd, "wb")};
    bool good = out.stream ? fill(format, from, &out, err)
                           : error_environment(err, "%s: %s", path, strerror(errno));
    if (out.stream ? fclose(out.stream) != 0 : close(fd) != 0)
        good = good && error_environment(err, "%s: cannot be written: %s", path, strerror(errno));
    good = good && place_publish(temporary, path, force, err);
    if (!good)
        unlink(temporary);
    memory_free(temporary);
    return good;
}
