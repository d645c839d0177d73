#include "base/ini.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libinih's Debian build does not pass line numbers on, so the reader it is given counts them. */
struct reading {
    const char *where, *next;
    int line, refused_line; /* refused_line: by visit */
    bool too_long;
    ini_visit *visit;
    void *user;
    error *err;
};

static char *read_line(char *buffer, int size, void *stream)
{
    struct reading *self = stream;
    if (!*self->next || self->too_long || (self->err->kind != ERROR_NONE))
        return NULL;
    self->next += strspn(self->next, " \t"); /* libinih takes indented lines for continuations */
    size_t length = strcspn(self->next, "\n");
    self->line++;
    if (length + 2 >= (size_t)size) {
        self->too_long = true;
        return NULL;
    }
    memcpy(buffer, self->next, length);
    buffer[length] = '\0';
    self->next += length + (self->next[length] == '\n');
    return buffer;
}

static int visit_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *self = user;
    if (self->err->kind != ERROR_NONE)
        return 0;
    if (!*name)
        error_user(self->err, "expected a name before = or :");
    else if (self->visit(self->user, self->line, section, name, value, self->err))
        return 1;
    error_prefix(self->err, "%s:%d", self->where, self->line);
    self->refused_line = self->line;
    return 0;
}

bool ini_parse_text(const char *where, const char *text, ini_visit *visit, void *user, error *err)
{
    error local = {0};
    struct reading self = {
        .where = where, .next = text, .visit = visit, .user = user, .err = &local};
    int bad_line = ini_parse_stream(read_line, &self, visit_key, &self);
    /* libinih read on: what came first counts. */
    if (bad_line != 0 && bad_line != self.refused_line) {
        local = (error){0};
        error_user(&local, "%s:%d: expected [section], name = value or ; comment", where, bad_line);
    } else if (self.too_long)
        error_user(&local, "%s:%d: the line is too long (at most %d characters)", where, self.line,
                   INI_MAX_LINE - 3);
    if (local.kind == ERROR_NONE)
        return true;
    if (err && err->kind == ERROR_NONE)
        *err = local;
    return false;
}

static bool read_all(const char *path, FILE *file, char *text, size_t size, error *err)
{
    size_t n = fread(text, 1, size, file);
    if (ferror(file))
        return error_user(err, "%s: cannot be read: %s", path, strerror(errno));
    if (n > INI_TEXT_MAX_BYTES)
        return error_user(err, "%s: larger than %d bytes, so it is no INI file", path,
                          INI_TEXT_MAX_BYTES);
    if (n == size)
        return error_user(err, "%s: has become longer while it was read; try again", path);
    if (memchr(text, '\0', n))
        return error_user(err, "%s: holds a NUL byte, so it is no INI file", path);
    return true;
}

/* One byte more than the file has is asked for, to see that it has no more. */
static char *read_stream(const char *path, FILE *file, error *err)
{
    struct stat status;
    if (fstat(fileno(file), &status) != 0) {
        error_user(err, "%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) { /* a pipe might never come to its end */
        error_user(err, "%s: is %s, expected an INI file", path,
                   S_ISDIR(status.st_mode) ? "a folder" : "no regular file");
        return NULL;
    }
    bool told = status.st_size > 0 && status.st_size <= INI_TEXT_MAX_BYTES;
    size_t size = (told ? (size_t)status.st_size : INI_TEXT_MAX_BYTES) + 1;
    char *text = memory_new(size + 1, 1, err);
    if (!text || read_all(path, file, text, size, err))
        return text;
    memory_free(text);
    return NULL;
}

char *ini_read_file(const char *path, error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for its writer */
    FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;
    if (!file) {
        error_user(err, "%s: cannot be opened: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = read_stream(path, file, err);
    fclose(file);
    return text;
}
