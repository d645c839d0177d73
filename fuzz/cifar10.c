#include "fuzz.h"

#include "base/memory.h"
#include "data/cifar10.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_FILES = CIFAR10_FILES + 1, MOST_IMAGES = 16, TOO_LONG = 65535 };

static char folder[FUZZ_FOLDER_BYTES];
static const char *names[N_FILES];

/* Takes its part of the input; returns how many bytes that was. */
static size_t make_file(int f, bool there, const uint8_t *data, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, names[f]);
    if (!there || n < 2) {
        unlink(path);
        return 0;
    }
    size_t length = data[0] | (size_t)data[1] << 8, used = length < n - 2 ? length : n - 2;
    off_t whole = length == TOO_LONG ? (off_t)CIFAR10_RECORD_BYTES * (CIFAR10_FILE_IMAGES + 1)
                                     : (off_t)length;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    fuzz_need(fd >= 0 && write(fd, data + 2, used) == (ssize_t)used && ftruncate(fd, whole) == 0,
              "no room in /dev/shm");
    close(fd);
    return 2 + used;
}

static void shorten_files(void)
{
    char path[128];
    for (int f = 0; f < N_FILES; f++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[f]);
        fuzz_need(truncate(path, 100) == 0 || access(path, F_OK) != 0, "truncate");
    }
}

static void read_some(source *from, enum split split, error *err)
{
    image_shape shape = source_shape(from);
    size_t there = source_count(from, split), n = there < MOST_IMAGES ? there : MOST_IMAGES;
    uint8_t *images = malloc(n * image_bytes(shape) + 1);
    uint16_t *labels = malloc((n + 1) * sizeof *labels), *alone = malloc((n + 1) * sizeof *alone);
    fuzz_need(images && labels && alone, "out of memory");
    bool good = source_read(from, split, there - n, n, images, labels, err);
    fuzz_need(source_read(from, split, there - n, n, NULL, alone, NULL) == good,
              "without the images it is another matter");
    for (size_t i = 0; good && i < n; i++)
        fuzz_need(labels[i] < shape.n_classes && alone[i] == labels[i], "a label out of range");
    free(images);
    free(labels);
    free(alone);
}

void fuzz_cifar10(const uint8_t *data, size_t n)
{
    error err = {0};
    fuzz_folder(folder);
    memcpy(names, cifar10_files, sizeof cifar10_files);
    names[CIFAR10_FILES] = cifar10_names_file;
    unsigned there = n > 0 ? data[0] : 0;
    for (size_t f = 0, at = 1; f < N_FILES; f++)
        at += make_file((int)f, there >> f & 1, data + (at < n ? at : n), at < n ? n - at : 0);
    source *from = source_open(folder, 1, &err);
    fuzz_need((from != NULL) == (err.kind == ERROR_NONE), "success and an error, or neither");
    if (from) {
        if (there >> 7)
            shorten_files();
        for (int c = 0; c < source_shape(from).n_classes; c++)
            fuzz_need(strlen(source_class_name(from, c)) > 0, "a class without a name");
        read_some(from, SPLIT_TEST, &err);
        read_some(from, SPLIT_TRAIN, &err);
    }
    source_free(from);
    FILE *null = fopen("/dev/null", "w");
    fuzz_need(null != NULL, "/dev/null");
    cifar10_check(folder, null, NULL);
    fclose(null);
}
