#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool fuzz_direct = true;

void fuzz_need(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

/* A new file each time: HDF5 knows files by their number, and keeps some half open. */
const char *fuzz_file(const uint8_t *data, size_t n)
{
    if (!path[0]) {
        snprintf(path, sizeof path, "/dev/shm/bramble-fuzz-%d", (int)getpid());
        atexit(remove_file);
    }
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fuzz_need(fd >= 0 && write(fd, data, n) == (ssize_t)n, "no room in /dev/shm");
    close(fd);
    return path;
}

char *fuzz_text(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);
    fuzz_need(text != NULL, "out of memory");
    for (size_t i = 0; i < n; i++)
        text[i] = data[i] ? (char)data[i] : '?';
    text[n] = '\0';
    return text;
}
