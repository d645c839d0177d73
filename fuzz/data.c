/* Data sets in files of other programs, and single pictures. */
#include "fuzz.h"

#include "base/memory.h"
#include "data/picture.h"
#include "data/source.h"
#include "record/direct.h"

#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_IMAGES = 16, MOST_BYTES = 1 << 22, MOST_FILES = 4 };

/* ---- what is opened is read ------------------------------------------------------------------- */

static void read_some(source *from, enum split split, error *err)
{
    image_shape shape = source_shape(from);
    size_t there = source_count(from, split), n = there < MOST_IMAGES ? there : MOST_IMAGES;
    if (n * image_bytes(shape) > MOST_BYTES)
        n = 1;
    uint8_t *images = malloc(n * image_bytes(shape) + 1);
    uint16_t *labels = malloc((n + 1) * sizeof *labels);
    fuzz_need(images && labels, "out of memory");
    if (source_read(from, split, there - n, n, images, labels, err))
        source_read(from, split, 0, n, images, labels, err); /* back again */
    for (size_t i = 0; err->kind == ERROR_NONE && i < n; i++)
        fuzz_need(labels[i] < shape.n_classes, "a label out of range");
    free(images);
    free(labels);
}

static void open_and_read(const char *spec)
{
    error err = {0};
    source *from = source_open(spec, 1, &err);
    fuzz_need((from != NULL) == (err.kind == ERROR_NONE), "success and an error, or neither");
    fuzz_need(from || err.text[0], "an error without a text");
    if (from) {
        for (int c = 0; c < source_shape(from).n_classes && c < 100; c++)
            fuzz_need(strlen(source_class_name(from, c)) > 0, "a class without a name");
        read_some(from, SPLIT_TEST, &err);
        read_some(from, SPLIT_TRAIN, &err);
    }
    source_free(from);
}

/* ---- folders of files -------------------------------------------------------------------------- */

static char folder[FUZZ_FOLDER_BYTES];
static const char *const all_names[] = {"train-images-idx3-ubyte",
                                        "train-labels-idx1-ubyte",
                                        "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte",
                                        "train.bin",
                                        "test.bin",
                                        "fine_label_names.txt",
                                        "train_32x32.mat",
                                        "test_32x32.mat"};

/* The input in parts, each of 16 bits of length and its bytes: one for each of the names, and again from the first. */
static void put_files(const char *const *names, int n_names, const uint8_t *data, size_t n)
{
    const uint8_t *parts[MOST_FILES] = {NULL};
    size_t lengths[MOST_FILES] = {0};
    int n_parts = 0;
    for (size_t at = 0; n_parts < n_names && n - at >= 2; n_parts++) {
        size_t length = data[at] | (size_t)data[at + 1] << 8;
        at += 2;
        lengths[n_parts] = length < n - at ? length : n - at;
        parts[n_parts] = data + at;
        at += lengths[n_parts];
    }
    fuzz_folder(folder);
    for (int f = 0; f < n_names; f++) {
        char path[128];
        int part = n_parts > 0 ? f % n_parts : 0;
        snprintf(path, sizeof path, "%s/%s", folder, names[f]);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        fuzz_need(fd >= 0 && (lengths[part] == 0 ||
                              write(fd, parts[part], lengths[part]) == (ssize_t)lengths[part]),
                  "no room in /dev/shm");
        close(fd);
    }
}

static void open_folder(const char *kind)
{
    char spec[96];
    snprintf(spec, sizeof spec, "%s:%s", kind, folder);
    open_and_read(spec);
}

void fuzz_idx(const uint8_t *data, size_t n)
{
    put_files(all_names, 4, data, n);
    open_folder("idx");
}

void fuzz_cifar100(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"train.bin", "fine_label_names.txt", "test.bin"};
    put_files(names, 3, data, n);
    open_folder("cifar100");
}

void fuzz_mat(const uint8_t *data, size_t n)
{
    put_files(all_names + 7, 2, data, n);
    open_folder("mat");
}

/* ---- single files ------------------------------------------------------------------------------ */

void fuzz_npz(const uint8_t *data, size_t n)
{
    char spec[96];
    snprintf(spec, sizeof spec, "npz:%s", fuzz_file(data, n));
    open_and_read(spec);
}

void fuzz_picture(const uint8_t *data, size_t n)
{
    error err = {0};
    image_shape shape = {n % 2 ? 3 : 1, 7, 9, 1};
    uint8_t image[3 * 7 * 9];
    picture_end end = {0}, at_once = {0};
    size_t length = 0, all = 0, part = n / 2;
    bool good = picture_end_find(&end, "p", data, part, &length, &err);
    if (good && length == 0) { /* in two pieces as in one */
        good = picture_end_find(&end, "p", data, n, &length, &err);
        err = (error){0};
        fuzz_need(picture_end_find(&at_once, "p", data, n, &all, &err) == good &&
                      (!good || all == length),
                  "another end");
    }
    fuzz_need(!good || length <= n, "an end beyond the end");
    err = (error){0};
    good = picture_decode("p", data, n, shape, image, &err);
    fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
}

static void read_arrays(const char *path)
{
    static const char *const names[] = {"images", "labels", "class_names", "train/images"};
    static const size_t units[] = {
        [RECORD_BYTES] = 1, [RECORD_WHOLE] = sizeof(int64_t), [RECORD_NAMES] = RECORD_CLASS_BYTES};
    for (int k = 0; k < 4; k++) {
        static const enum record_element as[] = {RECORD_BYTES, RECORD_WHOLE, RECORD_NAMES,
                                                 RECORD_BYTES};
        record_array what;
        error err = {0};
        bool good = direct_array_describe(path, names[k], &what, &err);
        fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
        if (!good || !what.is_there || what.n_dims < 1 ||
            what.is_variable) /* over damaged ones HDF5 crashes: the program reads in a process of its own */
            continue;
        size_t n_bytes = units[as[k]], n = what.dims[0] < MOST_IMAGES ? what.dims[0] : MOST_IMAGES;
        for (int i = 1; i < what.n_dims && i < RECORD_ARRAY_DIMS; i++)
            if (!memory_multiply(n_bytes, what.dims[i], &n_bytes))
                return;
        if (n_bytes > MOST_BYTES)
            continue;
        record_wanted wanted = {path, names[k], as[k], n_bytes, NULL, n};
        uint8_t *to = malloc(n * n_bytes + 1);
        fuzz_need(to != NULL, "out of memory");
        good = direct_array_read(&wanted, to, &err);
        fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
        free(to);
    }
}

void fuzz_images(const uint8_t *data, size_t n)
{
    static unsigned n_reads;
    char spec[96];
    const char *path = fuzz_file(data, n);
    snprintf(spec, sizeof spec, "hdf5:%s", path);
    if (!fuzz_direct)
        open_and_read(spec);
    else
        read_arrays(path);
    if (fuzz_direct && ++n_reads % 512 == 0)
        H5close();
}
