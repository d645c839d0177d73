#include "fuzz.h"

#include <dirent.h>
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

enum { MOST_FOLDERS = 4 };
static const char *folders[MOST_FOLDERS];
static int n_folders;

static void remove_folders(void)
{
    while (n_folders > 0) {
        const char *folder = folders[--n_folders];
        DIR *dir = opendir(folder);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
            unlinkat(dirfd(dir), entry->d_name, 0); /* . and .. stay */
        if (dir)
            closedir(dir);
        rmdir(folder);
    }
}

void fuzz_folder(char folder[FUZZ_FOLDER_BYTES])
{
    if (folder[0])
        return;
    strcpy(folder, "/dev/shm/bramble-fuzz-XXXXXX");
    fuzz_need(n_folders < MOST_FOLDERS && mkdtemp(folder) != NULL, "no folder in /dev/shm");
    if (n_folders == 0)
        atexit(remove_folders);
    folders[n_folders++] = folder;
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
