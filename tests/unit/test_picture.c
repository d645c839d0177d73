/* Pictures whole, cut off at every byte and with every byte changed: decoded, or refused in words. */
#include "data/picture.h"

#include "base/memory.h"
#include "data/picture_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <zlib.h>

#define TEST(name) cmocka_unit_test(name)

enum { HEIGHT = 7, WIDTH = 9, N_PIXELS = 3 * HEIGHT * WIDTH, MOST = 4096 };

typedef struct file {
    uint8_t bytes[MOST];
    size_t n;
} file;

static const image_shape of_its_size = {3, HEIGHT, WIDTH, 1};

static void put(file *to, const void *data, size_t n)
{
    assert_true(to->n + n <= MOST);
    memcpy(to->bytes + to->n, data, n);
    to->n += n;
}

static uint8_t pixel(int y, int x, int c)
{
    return (uint8_t)(15 * y + 7 * x + 40 * c);
}

/* ---- files ------------------------------------------------------------------------------------- */

static void put_high_first(file *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        put(to, &(uint8_t){(uint8_t)(number >> (24 - 8 * i))}, 1);
}

static void put_chunk(file *to, const char *kind, const uint8_t *data, size_t n)
{
    uint32_t sum = (uint32_t)crc32_z(crc32(0, (const Bytef *)kind, 4), data, n);
    put_high_first(to, (uint32_t)n);
    put(to, kind, 4);
    put(to, data, n);
    put_high_first(to, sum);
}

static void make_png(file *to)
{
    uint8_t rows[HEIGHT * (1 + 3 * WIDTH)], packed[1024], *at = rows;
    uLongf n = sizeof packed;
    for (int y = 0; y < HEIGHT; y++) {
        *at++ = 0;
        for (int i = 0; i < 3 * WIDTH; i++)
            *at++ = pixel(y, i / 3, i % 3);
    }
    assert_int_equal(compress(packed, &n, rows, sizeof rows), Z_OK);
    to->n = 0;
    put(to, "\x89PNG\r\n\x1a\n", 8);
    put_chunk(to, "IHDR", (uint8_t[]){0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0}, 13);
    put_chunk(to, "IDAT", packed, n);
    put_chunk(to, "IEND", packed, 0);
}

static void make_bmp(file *to)
{
    uint8_t head[54] = {
        'B', 'M', [10] = 54, [14] = 40, [18] = WIDTH, [22] = HEIGHT, [26] = 1, [28] = 24};
    to->n = 0;
    put(to, head, sizeof head);
    for (int y = HEIGHT - 1; y >= 0; y--) {
        for (int i = 0; i < 3 * WIDTH; i++)
            put(to, &(uint8_t){pixel(y, i / 3, 2 - i % 3)}, 1);
        put(to, "", 1);
    }
}

static void make_jpeg(file *to, J_COLOR_SPACE in, bool by_scans)
{
    const int n_channels = in == JCS_CMYK ? 4 : 3;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    uint8_t *bytes = NULL, row[4 * WIDTH];
    unsigned long n = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n);
    jpeg.image_height = HEIGHT;
    jpeg.image_width = WIDTH;
    jpeg.input_components = n_channels;
    jpeg.in_color_space = in;
    jpeg_set_defaults(&jpeg);
    if (by_scans)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < n_channels; c++) /* all light of the fourth ink is left */
                row[n_channels * x + c] = c < 3 ? pixel(y, x, c) : 255;
        jpeg_write_scanlines(&jpeg, &(JSAMPROW){row}, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    to->n = 0;
    put(to, bytes, n);
    free(bytes);
}

/* ---- read -------------------------------------------------------------------------------------- */

/* From memory of just that length, so that a sanitizer sees a step too far. */
static bool read_exactly(const uint8_t *data, size_t n, uint8_t image[N_PIXELS])
{
    error err = {0};
    uint8_t *exact = malloc(n > 0 ? n : 1);
    memcpy(exact, data, n);
    bool good = picture_decode("it", exact, n, of_its_size, image, &err);
    assert_true(good == (err.kind == ERROR_NONE));
    assert_true(good || (err.kind == ERROR_USER && strncmp(err.text, "it: ", 4) == 0));
    free(exact);
    return good;
}

static int farthest(const uint8_t image[N_PIXELS])
{
    int most = 0;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                int d = abs(image[(c * HEIGHT + y) * WIDTH + x] - pixel(y, x, c));
                most = d > most ? d : most;
            }
    return most;
}

/* Whole; cut off anywhere before its last `tail` bytes; each byte changed in several ways. */
static void spoil(const file *whole, size_t tail, int tolerance)
{
    uint8_t image[N_PIXELS], spoilt[MOST];
    size_t n_refused = 0;
    assert_true(read_exactly(whole->bytes, whole->n, image));
    assert_true(farthest(image) <= tolerance);
    for (size_t n = 0; n < whole->n - tail; n++)
        assert_false(read_exactly(whole->bytes, n, image));
    for (size_t at = 0; at < whole->n; at++)
        for (int way = 0; way < 4; way++) {
            memcpy(spoilt, whole->bytes, whole->n);
            spoilt[at] ^= (uint8_t[]){1, 0x80, 0xff, 0x10}[way];
            n_refused += !read_exactly(spoilt, whole->n, image);
        }
    assert_true(n_refused > 20);
}

static void whole_and_spoilt(void **state)
{
    (void)state;
    file it;
    make_png(&it);
    spoil(&it, 4, 0); /* the checksum of nothing */
    make_bmp(&it);
    spoil(&it, 0, 0);
    make_jpeg(&it, JCS_RGB, false);
    spoil(&it, 0, 40); /* colours are kept by halves */
    make_jpeg(&it, JCS_RGB, true);
    spoil(&it, 0, 40);
    make_jpeg(&it, JCS_CMYK, false);
    spoil(&it, 0, 20);
}

static void grey_is_a_weighted_mean(void **state)
{
    (void)state;
    uint8_t image[HEIGHT * WIDTH];
    error err = {0};
    file it;
    make_png(&it);
    assert_true(
        picture_decode("it", it.bytes, it.n, (image_shape){1, HEIGHT, WIDTH, 1}, image, &err));
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double sum = 0.299 * pixel(y, x, 0) + 0.587 * pixel(y, x, 1) + 0.114 * pixel(y, x, 2);
            assert_true(abs(image[y * WIDTH + x] - (int)sum) <= 1);
        }
}

static void sizes_have_limits(void **state)
{
    (void)state;
    static const struct {
        uint64_t height, width;
        bool good;
    } sizes[] = {{1, 1, true},        {0, 5, false},      {5, 0, false},
                 {1, 65535, true},    {1, 65536, false},  {8000, 8000, true},
                 {8000, 8001, false}, {65535, 976, true}, {UINT64_MAX, UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        error err = {0};
        picture it = {.name = "it"};
        assert_true(picture_make(&it, sizes[i].height, sizes[i].width, &err) == sizes[i].good);
        memory_free(it.pixels);
    }
}

/* ---- what it is -------------------------------------------------------------------------------- */

static void kinds_are_seen_by_how_they_begin(void **state)
{
    (void)state;
    static const struct {
        const char *start;
        enum picture_sight sight;
        const char *told;
    } kinds[] = {
        {"GIF89a..................", PICTURE_OTHER, "is a GIF picture: convert it"},
        {"RIFF....WEBPVP8 ........", PICTURE_OTHER, "is a WebP picture: convert it"},
        {"RIFF....WAVEfmt ........", PICTURE_NONE, "no PNG, JPEG or BMP picture, whatever"},
        {"....ftypheic............", PICTURE_OTHER, "HEIC"},
        {"....ftypavif............", PICTURE_OTHER, "AVIF"},
        {"....ftypisom............", PICTURE_NONE, "no PNG, JPEG or BMP picture"},
        {"BMW is a maker of cars..", PICTURE_NONE, "no PNG, JPEG or BMP picture"},
        {"P6\n2 2\n255\n............", PICTURE_OTHER, "PPM"},
        {"<svg>...................", PICTURE_NONE, "SVG"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        error err = {0};
        const uint8_t *data = (const uint8_t *)kinds[i].start;
        assert_int_equal(picture_look(data, PICTURE_LOOK_BYTES), kinds[i].sight);
        assert_false(picture_refuse("x", data, PICTURE_LOOK_BYTES, &err));
        assert_non_null(strstr(err.text, kinds[i].told));
        for (size_t n = 0; n < 3; n++)
            assert_int_equal(picture_look(data, n), PICTURE_NONE);
    }
    void (*const make[])(file *) = {make_png, make_bmp};
    for (size_t i = 0; i < 2; i++) {
        file whole = {.n = 0};
        make[i](&whole);
        assert_int_equal(picture_look(whole.bytes, PICTURE_LOOK_BYTES), PICTURE_READ);
    }
    file jpeg = {.n = 0};
    make_jpeg(&jpeg, JCS_RGB, false);
    assert_int_equal(picture_look(jpeg.bytes, PICTURE_LOOK_BYTES), PICTURE_READ);
}

/* ---- EXIF -------------------------------------------------------------------------------------- */

static void exif_tells_the_turn(void **state)
{
    (void)state;
    static const uint8_t low[] = {'I', 'I', 42, 0, 8, 0,    0, 0, 2, 0, 0, 1, 4, 0, 1, 0, 0,
                                  0,   9,   0,  0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0},
                         high[] = {'M',  'M', 0, 42, 0, 0, 0, 8, 0, 1, 1,
                                   0x12, 0,   3, 0,  0, 0, 1, 0, 8, 0, 0};
    assert_int_equal(picture_exif(low, sizeof low), 6);
    assert_int_equal(picture_exif(high, sizeof high), 8);
    for (size_t n = 0; n < sizeof low; n++) { /* cut off: none, and nothing beyond is looked at */
        uint8_t *exact = malloc(n > 0 ? n : 1);
        memcpy(exact, low, n);
        assert_int_equal(picture_exif(exact, n), 1);
        free(exact);
    }
    for (size_t at = 0; at < sizeof low; at++)
        for (int way = 0; way < 256; way++) {
            uint8_t *exact = malloc(sizeof low);
            memcpy(exact, low, sizeof low);
            exact[at] = (uint8_t)way;
            int turn = picture_exif(exact, sizeof low);
            assert_in_range(turn, 1, 8);
            free(exact);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_and_spoilt),    TEST(grey_is_a_weighted_mean),
        TEST(sizes_have_limits),   TEST(kinds_are_seen_by_how_they_begin),
        TEST(exif_tells_the_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
