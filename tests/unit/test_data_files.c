/* What readers of data files have in common: packed bytes by place, sets that are split, pictures that are fitted. */
#include "cifar10_fixture.h"

#include "base/memory.h"
#include "data/bytes.h"
#include "data/labelled.h"
#include "data/picture.h"

#include <zlib.h>

enum { N_BYTES = 200000 };

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 13));
}

/* In two members, the second from half on; returns the length of the file. */
static size_t put_gzip(const char *name)
{
    for (int half = 0; half < 2; half++) {
        gzFile file = gzopen(path_of(name), half ? "ab" : "wb");
        assert_non_null(file);
        for (size_t i = 0; i < N_BYTES / 2; i++)
            assert_int_equal(gzputc(file, pattern(i + (size_t)half * N_BYTES / 2)),
                             pattern(i + (size_t)half * N_BYTES / 2));
        assert_int_equal(gzclose(file), Z_OK);
    }
    struct stat is;
    assert_int_equal(stat(path_of(name), &is), 0);
    return (size_t)is.st_size;
}

static void assert_part(bytes *from, uint64_t at, size_t n)
{
    static uint8_t part[N_BYTES];
    error err = {0};
    assert_true(bytes_read(from, at, part, n, &err));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(part[i], pattern((size_t)at + i));
}

static void packed_bytes_are_read_in_any_order(void **state)
{
    (void)state;
    error err = {0};
    uint64_t n;
    uint8_t byte;
    put_gzip("a");
    bytes *from = bytes_open(path_of("a"), &err);
    assert_true(from && bytes_packed(from));
    assert_true(bytes_length(from, N_BYTES, &n, &err) && n == N_BYTES);
    assert_part(from, 0, N_BYTES);
    assert_part(from, N_BYTES - 1, 1);
    assert_part(from, 99990, 20); /* over the end of a member */
    assert_part(from, 3, 70000);
    assert_part(from, 80000, 10);
    assert_part(from, N_BYTES, 0);
    assert_false(bytes_read(from, N_BYTES, &byte, 1, &err));
    assert_user_error(&err, path_of("a"), "cut off");
    bytes_free(from);
}

static void no_more_is_unpacked_than_asked_for(void **state)
{
    (void)state;
    error err = {0};
    uint64_t n;
    put_gzip("a");
    bytes *from = bytes_open(path_of("a"), &err);
    assert_false(bytes_length(from, N_BYTES - 1, &n, &err));
    assert_user_error(&err, path_of("a"), "too long");
    bytes_free(from);
}

static void what_is_cut_off_or_damaged_is_told(void **state)
{
    (void)state;
    size_t length = put_gzip("a");
    uint64_t n;
    for (size_t cut = 1; cut < length; cut += length / 7) {
        error err = {0};
        put_gzip("a");
        assert_int_equal(truncate(path_of("a"), (off_t)(length - cut)), 0);
        bytes *from = bytes_open(path_of("a"), &err);
        bool good = bytes_length(from, N_BYTES, &n, &err);
        assert_true(!good || n < N_BYTES); /* between the members nothing is missing */
        bytes_free(from);
    }
    error err = {0};
    put_gzip("a");
    put_byte("a", (long)length / 4, 0x55);
    put_byte("a", (long)length / 4 + 1, 0x55);
    bytes *from = bytes_open(path_of("a"), &err);
    assert_false(bytes_length(from, N_BYTES, &n, &err));
    assert_user_error(&err, path_of("a"), "damaged");
    bytes_free(from);
}

static void parts_are_within_the_file(void **state)
{
    (void)state;
    error err = {0};
    put("plain", 100);
    bytes *whole = bytes_open(path_of("plain"), &err),
          *part = bytes_part(whole, 90, 10, PACKING_NONE, &err);
    uint8_t ten[10];
    bytes_free(whole);
    assert_true(bytes_read(part, 0, ten, 10, &err));
    assert_null(bytes_part(part, 5, 6, PACKING_NONE, &err));
    assert_user_error(&err, path_of("plain"), "cut off");
    bytes_free(part);
}

/* ---- splits ------------------------------------------------------------------------------------ */

static void a_sixth_of_each_class_is_for_testing(void **state)
{
    (void)state;
    enum { N = 120 };
    error err = {0};
    labelled *self = labelled_new(&err);
    labelled_set *set = &self->sets[0];
    self->shape = (image_shape){1, 1, 1, 0};
    set->n = N;
    set->labels = memory_new(N, sizeof *set->labels, &err);
    for (int i = 0; i < N; i++)
        set->labels[i] = (uint16_t)(i < 2   ? 3
                                    : i < 3 ? 1
                                            : 0); /* two, one, all others, and of class 2 none */
    assert_true(labelled_finish(self, &err));
    assert_int_equal(self->shape.n_classes, 4);
    assert_int_equal(self->count[SPLIT_TEST], 20 + 1);
    assert_int_equal(self->count[SPLIT_TRAIN], N - 21);
    uint8_t seen[N] = {0};
    for (int split = 0; split < 2; split++)
        for (size_t i = 0; i < self->count[split]; i++) {
            assert_true(i == 0 || self->places[split][i] > self->places[split][i - 1]);
            seen[self->places[split][i]]++;
        }
    for (int i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
    labelled_free(self);
}

static void layouts_are_turned_to_planes(void **state)
{
    (void)state;
    const image_shape shape = {3, 2, 4, 1};
    uint8_t planes[24], pixels[24], columns[24], out[24];
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 4; x++) {
                uint8_t value = (uint8_t)(100 * c + 10 * y + x);
                planes[(c * 2 + y) * 4 + x] = pixels[(y * 4 + x) * 3 + c] =
                    columns[(c * 4 + x) * 2 + y] = value;
            }
    labelled_turn(LAYOUT_PIXELS, shape, pixels, out);
    assert_memory_equal(out, planes, sizeof out);
    labelled_turn(LAYOUT_COLUMNS, shape, columns, out);
    assert_memory_equal(out, planes, sizeof out);
}

/* ---- pictures ---------------------------------------------------------------------------------- */

static void pictures_are_fitted(void **state)
{
    (void)state;
    enum { SIDE = 37 };
    static uint8_t pixels[SIDE * SIDE], image[4 * SIDE * SIDE];
    error err = {0};
    for (int i = 0; i < SIDE * SIDE; i++)
        pixels[i] = pattern((size_t)i);
    assert_true(picture_fit(pixels, SIDE, SIDE, (image_shape){1, SIDE, SIDE, 1}, image, &err));
    assert_memory_equal(image, pixels, sizeof pixels); /* of its size it is what it was */
    memset(pixels, 200, sizeof pixels);
    for (int side = 1; side <= 2 * SIDE; side += 5) {
        assert_true(picture_fit(pixels, SIDE, SIDE, (image_shape){1, side, side, 1}, image, &err));
        for (int i = 0; i < side * side; i++)
            assert_int_equal(image[i], 200);
    }
    assert_true(
        picture_fit(pixels, 1, SIDE, (image_shape){1, 5, 3, 1}, image, &err)); /* thin as can be */
    assert_int_equal(image[14], 200);
    uint8_t halves[16] = {0,  0,  0,  0,  0,  0,  0,  0,
                          80, 80, 80, 80, 80, 80, 80, 80}; /* 4 x 4, dark above */
    assert_true(picture_fit(halves, 4, 4, (image_shape){1, 2, 1, 1}, image, &err)); /* its middle */
    assert_int_equal(image[0], 80 - image[1]);
    assert_true(image[0] < image[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packed_bytes_are_read_in_any_order),
        TEST(no_more_is_unpacked_than_asked_for),
        TEST(what_is_cut_off_or_damaged_is_told),
        TEST(parts_are_within_the_file),
        TEST(a_sixth_of_each_class_is_for_testing),
        TEST(layouts_are_turned_to_planes),
        TEST(pictures_are_fitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
