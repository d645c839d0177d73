#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool describe(error *err, enum error_kind kind, const char *format, va_list args)
{
    if (err && err->kind == ERROR_NONE) {
        err->kind = kind;
        vsnprintf(err->text, sizeof err->text, format, args);
    }
    return false;
}

bool error_user(error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    describe(err, ERROR_USER, format, args);
    va_end(args);
    return false;
}

bool error_environment(error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    describe(err, ERROR_ENVIRONMENT, format, args);
    va_end(args);
    return false;
}

bool error_prefix(error *err, const char *format, ...)
{
    if (!err || err->kind == ERROR_NONE)
        return false;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t room = used >= 0 && (size_t)used < sizeof text ? sizeof text - (size_t)used : 1;
    size_t rest = strlen(err->text);
    if (room > 3) { /* a text that gets too long loses its end */
        memcpy(text + used, ": ", 3);
        memcpy(text + used + 2, err->text, rest < room - 3 ? rest : room - 3);
        text[used + 2 + (int)(rest < room - 3 ? rest : room - 3)] = '\0';
    }
    memcpy(err->text, text, sizeof text);
    return false;
}

void error_print(const error *err)
{
    char line[sizeof err->text + 16];
    int n = snprintf(line, sizeof line, "bramble: %s\n", err->text);
    size_t length = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    for (size_t i = 0; i + 1 < length; i++) /* names of files may hold anything */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    /* One write, so that the lines of several processes do not mix. */
    if (write(STDERR_FILENO, line, length) < 0)
        return;
}
