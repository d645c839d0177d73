/*
 * cifar10_fixture.h - a folder that goes away again, and files of CIFAR-10's form in it
 */
#ifndef BRAMBLE_TESTS_CIFAR10_FIXTURE_H
#define BRAMBLE_TESTS_CIFAR10_FIXTURE_H

#include "data/cifar10.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { RECORD = CIFAR10_RECORD_BYTES, IMAGE = RECORD - 1, FULL = 30730000 };
enum { MISSING = -1, FOLDER = -2, PIPE = -3 };

static char folder[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/bramble-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static inline const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Zeros, which are as many images of class 0; takes no room on the disk. */
static inline void put(const char *name, long long size)
{
    const char *path = path_of(name);
    if (unlink(path) != 0)
        rmdir(path);
    if (size == FOLDER)
        assert_int_equal(mkdir(path, 0777), 0);
    else if (size == PIPE)
        assert_int_equal(mkfifo(path, 0666), 0);
    else if (size != MISSING) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, size), 0);
        close(fd);
    }
}

static inline void put_byte(const char *name, long offset, int byte)
{
    FILE *file = fopen(path_of(name), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte, file), byte);
    assert_int_equal(fclose(file), 0);
}

/* Three files of 100, 1 and 70 training images and one of 130 test images; image i of a file has
 * label i % 10 and first byte i. */
static inline void put_small_set(void)
{
    static const int n[CIFAR10_FILES] = {100, 1, 70, 0, 0, 130};
    for (int f = 0; f < CIFAR10_FILES; f++) {
        put(cifar10_files[f], n[f] ? n[f] * RECORD : MISSING);
        for (int i = 0; i < n[f]; i++) {
            put_byte(cifar10_files[f], i * RECORD, i % 10);
            put_byte(cifar10_files[f], i * RECORD + 1, i);
        }
    }
    put(cifar10_names_file, MISSING);
}

static inline void assert_user_error(const error *err, const char *where, const char *what)
{
    assert_int_equal(err->kind, ERROR_USER);
    assert_non_null(strstr(err->text, where));
    assert_non_null(strstr(err->text, what));
    assert_null(strchr(err->text, '\n'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

#endif
