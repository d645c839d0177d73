/* Models in files of other programs: there and back, numbers of other sizes, and files that are not what they say. */
#include "cifar10_fixture.h"

#include "base/memory.h"
#include "data/normalise.h"
#include "exchange/exchange.h"
#include "exchange/zip_write.h"
#include "record/record.h"

#include <dirent.h>
#include <math.h>

/* The inputs of a dense layer are many, those of the others few: each shape is another. */
static const char small[] = "[model]\nname = small\ninput = 3 6 5\nclasses = 4\n"
                            "[conv1]\nkind = conv\nfilters = 2\nkernel = 3\n"
                            "[norm1]\nkind = batchnorm\n[relu1]\nkind = relu\n"
                            "[fc]\nkind = dense\nunits = 4\n";

/* ---- a model, and a file of it ----------------------------------------------------------------- */

static exchange_model *new_model(void)
{
    error err = {0};
    exchange_model *self = memory_new(1, sizeof *self, &err);
    self->path = memory_new(256, 1, &err);
    strcpy(self->path, path_of("result.h5"));
    self->text = memory_new(sizeof small, 1, &err);
    strcpy(self->text, small);
    self->graph = model_outline("small", small, &err);
    assert_non_null(self->graph);
    self->w = memory_new(self->graph->n_weights, sizeof *self->w, &err);
    for (size_t i = 0; i < self->graph->n_weights; i++)
        self->w[i] = ldexpf((float)(i * 2654435761U % 100003U) - 5e4F, (int)(i % 40) - 30);
    self->w[0] = -0.0F;
    self->w[1] = 0x1p-149F;
    self->normalise = memory_new(64, 1, &err);
    strcpy(self->normalise, "0.5,0.25,0.125/0.1,0.2,0.3");
    assert_true(input_values_init(&self->input, (image_shape){3, 6, 5, 4}, &err));
    assert_true(normalise_set(&self->input, self->normalise, &err));
    self->class_names = memory_new(4, sizeof *self->class_names, &err);
    strcpy(self->class_names[0], "a \"cat\"");
    strcpy(self->class_names[1], "na\xc3\xafve");
    strcpy(self->class_names[2], "\\");
    strcpy(self->class_names[3], "30 bytes, and half a letter \xc3\xa9\xc3"); /* cut to length */
    assert_int_equal(err.kind, ERROR_NONE);
    return self;
}

/* All formats, by the names of their files. */
static const char *const files[] = {"a.safetensors", "a.npz", "a.h5"};

static void there_and_back(void **state)
{
    (void)state;
    exchange_model *from = new_model();
    for (size_t k = 0; k < COUNT(files); k++) {
        error err = {0};
        exchange_file file;
        float *w = memory_new(from->graph->n_weights, sizeof *w, &err);
        assert_true(exchange_write(from, path_of(files[k]), false, &err));
        assert_true(exchange_read(path_of(files[k]), &file, &err));
        assert_int_equal(file.n_arrays, 9);
        assert_true(k == 2 || strcmp(file.arrays[0].name, "conv1.weight") == 0); /* HDF5 sorts */
        assert_true(exchange_fit(&file, files[k], from->graph, w, &err));
        assert_memory_equal(w, from->w, from->graph->n_weights * sizeof *w);
        assert_string_equal(file.text, small);
        assert_string_equal(file.normalise, from->normalise);
        assert_int_equal(file.n_classes, 4);
        for (int c = 0; c < 3; c++)
            assert_string_equal(file.class_names[c], from->class_names[c]);
        assert_string_equal(file.class_names[3], "30 bytes, and half a letter \xc3\xa9");
        assert_false(file.translated);
        exchange_file_release(&file);
        memory_free(w);
    }
    exchange_model_free(from);
}

static int count_files(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n - 2; /* . and .. */
}

static void nothing_is_replaced_or_half_written(void **state)
{
    (void)state;
    exchange_model *from = new_model();
    for (size_t k = 0; k < COUNT(files); k++) {
        error err = {0}, again = {0};
        assert_true(exchange_write(from, path_of(files[k]), false, &err));
        assert_false(exchange_write(from, path_of(files[k]), false, &err));
        assert_user_error(&err, files[k], "exists");
        assert_true(exchange_write(from, path_of(files[k]), true, &again));
    }
    error name = {0}, same = {0}, text = {0};
    assert_false(exchange_write(from, path_of("a.pt"), false, &name));
    assert_user_error(&name, "a.pt", ".safetensors, .npz");
    assert_false(exchange_write(from, from->path, true, &same));
    assert_user_error(&same, "result.h5", "is what is to be exported");
    from->text[0] = (char)0xff; /* no UTF-8 */
    assert_false(exchange_write(from, path_of("b.npz"), false, &text));
    assert_user_error(&text, "result.h5", "no UTF-8");
    assert_int_equal(count_files(), COUNT(files));
    exchange_model_free(from);
}

static void a_result_file_is_made(void **state)
{
    (void)state;
    error err = {0};
    exchange_model *from = new_model();
    model *of = model_new("small", small, &err);
    exchange_import what = {.from = "a.npz",
                            .of = of,
                            .text = small,
                            .model_name = "small",
                            .normalise = from->normalise,
                            .w = from->w};
    assert_true(exchange_result(path_of("result.h5"), false, &what, &err));
    assert_false(exchange_result(path_of("result.h5"), false, &what, &err));
    assert_user_error(&err, "result.h5", "exists");
    err = (error){0};
    exchange_model *again = exchange_model_open(path_of("result.h5"), &err);
    assert_non_null(again);
    assert_memory_equal(again->w, from->w, of->n_weights * sizeof *from->w);
    assert_string_equal(again->normalise, from->normalise);
    assert_string_equal(again->class_names[3], "class 3");
    record_file *file = record_read(path_of("result.h5"), &err);
    assert_string_equal(record_config(file, "imported"), "a.npz");
    assert_int_equal(file->n_rounds, 0);
    record_file_free(file);
    /* And as a result file it is read, too. */
    exchange_file own;
    assert_true(exchange_read(path_of("result.h5"), &own, &err));
    assert_int_equal(own.n_arrays, of->n_tensors);
    assert_string_equal(own.text, small);
    exchange_file_release(&own);
    exchange_model_free(again);
    exchange_model_free(from);
    model_free(of);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static float one_float(enum exchange_number type, uint64_t bits)
{
    float value;
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> 8 * i & 0xff);
    exchange_floats(type, bytes, 1, &value);
    return value;
}

static void halves_are_what_ieee_says(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        float value = one_float(EXCHANGE_F16, bits), sign = bits >> 15 ? -1.0F : 1.0F;
        if (exponent == 31) {
            assert_true(fraction ? isnan(value) : isinf(value) && value * sign > 0.0F);
            continue;
        }
        double wanted = exponent > 0 ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        assert_true((double)value == (double)sign * wanted);
        assert_int_equal(signbit(value) != 0, bits >> 15);
    }
}

static void other_sizes_become_floats(void **state)
{
    (void)state;
    assert_true(one_float(EXCHANGE_F32, 0x3fc00000) == 1.5F);
    assert_true(one_float(EXCHANGE_BF16, 0x3fc0) == 1.5F);
    assert_true(one_float(EXCHANGE_BF16, 0xbf80) == -1.0F);
    assert_true(isinf(one_float(EXCHANGE_BF16, 0x7f80)));
    assert_true(one_float(EXCHANGE_F64, 0x3ff8000000000000) == 1.5F);
    /* to the nearest, of two that are as near the even one */
    assert_true(one_float(EXCHANGE_F64, 0x3ff0000010000000) == 1.0F);
    assert_true(one_float(EXCHANGE_F64, 0x3ff0000030000000) == 1.0F + 0x1p-22F);
    assert_true(isinf(one_float(EXCHANGE_F64, 0x7fe0000000000000)));
    assert_int_equal(exchange_number_bytes(EXCHANGE_F64), 8);
    assert_int_equal(exchange_number_bytes(EXCHANGE_BF16), 2);
}

static void arrays_have_limits(void **state)
{
    (void)state;
    exchange_file file = {0};
    char longest[EXCHANGE_NAME_BYTES + 1] = "";
    const size_t wide[] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, huge[] = {(size_t)1 << 33, (size_t)1 << 33},
                 many[] = {MODEL_MAX_WEIGHTS, 1}, none[] = {0, SIZE_MAX};
    const struct {
        const char *name;
        int n_dims;
        const size_t *dims;
        const char *says;
    } bad[] = {{"a", 1, wide, "twice"},         {longest, 1, wide, "1 to 255 bytes"},
               {"", 1, wide, "1 to 255 bytes"}, {"b", 9, wide, "9 dimensions"},
               {"c", 2, huge, "fit in memory"}, {"d", 2, many, "more numbers"}};
    memset(longest, 'x', EXCHANGE_NAME_BYTES);
    error err = {0};
    assert_non_null(exchange_file_add(&file, "a", 8, wide, true, &err));
    assert_non_null(exchange_file_add(&file, "none", 2, none, true, &err));
    for (size_t k = 0; k < COUNT(bad); k++) {
        error why = {0};
        assert_null(exchange_file_add(&file, bad[k].name, bad[k].n_dims, bad[k].dims, true, &why));
        assert_user_error(&why, "", bad[k].says);
    }
    for (int k = 2; k < 300; k++) { /* they move */
        char name[16];
        snprintf(name, sizeof name, "%d", k);
        assert_non_null(exchange_file_add(&file, name, 0, NULL, false, &err));
    }
    assert_string_equal(file.arrays[0].name, "a");
    assert_int_equal(file.n_arrays, 300);
    exchange_file_release(&file);
}

/* ---- what fits --------------------------------------------------------------------------------- */

/* The arrays of the small model, one of which may be left out. */
static void put_arrays(exchange_file *file, const exchange_model *from, const char *without)
{
    size_t n;
    error err = {0};
    exchange_array *list = exchange_list(from, &n, &err);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i].name, without) == 0)
            continue;
        exchange_array *one = exchange_file_add(file, list[i].name, list[i].n_dims, list[i].dims,
                                                list[i].values != NULL, &err);
        assert_non_null(one);
        if (one->values)
            memcpy(one->values, list[i].values, one->count * sizeof *one->values);
    }
    memory_free(list);
}

static void the_first_that_does_not_fit_is_named(void **state)
{
    (void)state;
    exchange_model *from = new_model();
    const size_t two[] = {2}, shape[] = {2, 3, 3, 4};
    float w[256];
    assert_true(from->graph->n_weights <= COUNT(w));
    for (int k = 0; k < 7; k++) {
        static const char *const without[] = {
            "norm1.running_var",         "conv1.bias", "conv1.weight", "",
            "norm1.num_batches_tracked", "",           "conv1.bias"};
        static const char *const says[] = {
            "there is no norm1.running_var",
            "there is no conv1.bias",
            "conv1.weight has the shape 2 x 3 x 3 x 4, the model needs 2 x 3 x 3 x 3",
            "has conv1.num_batches_tracked, which the model has no place for",
            NULL,
            "fc.bias holds NaN (element 3)",
            "conv1.bias holds whole numbers"};
        exchange_file file = {0};
        error err = {0};
        put_arrays(&file, from, without[k]);
        if (k == 2)
            exchange_file_add(&file, "conv1.weight", 4, shape, true, &err);
        if (k == 3)
            exchange_file_add(&file, "conv1.num_batches_tracked", 0, NULL, false, &err);
        if (k == 5)
            file.arrays[file.n_arrays - 1].values[3] = NAN;
        if (k == 6)
            exchange_file_add(&file, "conv1.bias", 1, two, false, &err);
        bool good = exchange_fit(&file, "a.npz", from->graph, w, &err);
        assert_int_equal(good, !says[k]);
        if (!good)
            assert_user_error(&err, "a.npz", says[k]);
        exchange_file_release(&file);
    }
    exchange_model_free(from);
}

/* ---- hostile files ----------------------------------------------------------------------------- */

static void put_bytes(const char *name, const void *bytes, size_t n)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void refuse(const char *name, const char *says)
{
    error err = {0};
    exchange_file file;
    bool good = exchange_read(path_of(name), &file, &err);
    exchange_file_release(&file);
    if (good || !strstr(err.text, says))
        fail_msg("%s: expected %s, not %s", name, says, good ? "success" : err.text);
    assert_user_error(&err, name, says);
}

/* A header, and n_data bytes that count up behind it. */
static void put_safetensors(const char *header, uint64_t length, size_t n_data)
{
    static uint8_t bytes[1 << 21];
    size_t n = strlen(header);
    assert_true(n + n_data + 8 <= sizeof bytes);
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        bytes[8 + n + i] = (uint8_t)i;
    put_bytes("x.safetensors", bytes, 8 + n + n_data);
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define B(begin, end)                                                                              \
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"
#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void hostile_safetensors(void **state)
{
    (void)state;
    static const struct {
        const char *header, *says;
        size_t n_data;
    } bad[] = {
        {"{" A "," B(4, 12) "}", "overlap", 12},
        {"{" A "," B(0, 8) "}", "overlap", 8},
        {"{" A "," B(12, 20) "}", "no array has byte 8", 20},
        {"{" B(8, 16) "}", "no array has byte 0", 16},
        {"{" A "," B(8, 16) "}", "4 bytes behind its last array", 20},
        {"{" A "," B(8, 16) "}", "beyond the end", 15},
        {"{" A "," A "}", "duplicate", 8},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate", 0},
        {ONE("F32", "[3]", "[0,8]"), "do not bear out", 8},
        {ONE("F32", "[4294967296,4294967296,4]", "[0,0]"), "fit in memory", 0},
        {ONE("F32", "[4611686018427387904]", "[0,0]"), "do not bear out", 0},
        {ONE("F32", "[99999999999999999999]", "[0,0]"), "no JSON", 0},
        {ONE("F32", "[-1]", "[0,0]"), "whole numbers", 0},
        {ONE("F32", "[2.0]", "[0,8]"), "whole numbers", 8},
        {ONE("F32", "2", "[0,8]"), "no shape", 8},
        {ONE("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "8 dimensions", 8},
        {ONE("F32", "[2]", "[8,0]"), "begin and an end", 8},
        {ONE("F32", "[2]", "[0,8,8]"), "begin and an end", 8},
        {ONE("F32", "[2]", "[-8,0]"), "begin and an end", 8},
        {ONE("F32", "[2]", "[0,18446744073709551608]"), "no JSON", 8},
        {ONE("F32", "[2]", "[0,9223372036854775807]"), "beyond the end", 8},
        {ONE("I8", "[8]", "[0,8]"), "a is of type I8; F32", 8},
        {ONE("F8_E4M3", "[8]", "[0,8]"), "F8_E4M3", 8},
        {"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "of type nothing", 8},
        {"{\"a\":7}", "no data_offsets", 0},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "1 to 255 bytes", 8},
        {"{\"__metadata__\":{\"a\":1}}", "more than strings", 0},
        {"{\"__metadata__\":[]}", "no object", 0},
        {"{\"__metadata__\":{\"class_names\":\"[\\\"a\\\",7]\"}}", "class_names: expected a list",
         0},
        {"{\"__metadata__\":{\"class_names\":\"[\\\"\\\\u001b\\\"]\"}}", "control characters", 0},
        {"{\"__metadata__\":{\"class_names\":\"[]\"}}", "class_names: expected a list", 0},
        {"{\"__metadata__\":{\"normalise\":\"2/0\"}}", "normalise", 0},
        {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}", "no list of arrays",
         0},
        {"{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "no JSON", 8},
        {"{\"\xff\":{}}", "no JSON", 0},
        {"{\"a\":", "no JSON", 0},
        {"{}{}", "no JSON", 0},
    };
    for (size_t k = 0; k < COUNT(bad); k++) {
        put_safetensors(bad[k].header, strlen(bad[k].header), bad[k].n_data);
        refuse("x.safetensors", bad[k].says);
    }
}

static void a_model_file_has_its_limit(void **state)
{
    (void)state;
    enum { LIMIT = 1 << 20 };
    static char text[LIMIT + 1];
    error err = {0};
    exchange_file file = {0};
    memset(text, ';', LIMIT);
    assert_false(exchange_pairs_get(&file, "model", text, &err));
    assert_user_error(&err, "model", "1048576 bytes");
    text[LIMIT - 1] = '\0';
    assert_true(exchange_pairs_get(&file, "model", text, &err));
    assert_true(exchange_pairs_get(&file, "colour", text, &err)); /* others' */
    exchange_file_release(&file);
}

static void lengths_of_a_header(void **state)
{
    (void)state;
    static char many[1 << 21] = "{\"a\":[";
    static const uint64_t lengths[] = {
        0, 1, 3, 100, 100000001, UINT64_MAX, (uint64_t)INT64_MAX + 1};
    for (size_t k = 0; k < COUNT(lengths); k++) {
        put_safetensors("{}", lengths[k], 0);
        refuse("x.safetensors", k < 4 ? "cut off: a header" : "does not begin as a safetensors");
    }
    put_bytes("x.safetensors", "\2\0\0\0\0\0\0", 7);
    refuse("x.safetensors", "does not begin");
    put_bytes("x.safetensors", "", 0);
    refuse("x.safetensors", "does not begin");
    memset(many + strlen(many), ',', sizeof many - 64); /* each would become a value */
    put_safetensors(many, strlen(many), 0);
    refuse("x.safetensors", "more than 16384 arrays");
    put_safetensors("{}        ", 10, 0); /* blanks pad it */
    error err = {0};
    exchange_file file;
    assert_true(exchange_read(path_of("x.safetensors"), &file, &err));
    assert_int_equal(file.n_arrays, 0);
    exchange_file_release(&file);
}

static void zeros_and_single_values_have_their_place(void **state)
{
    (void)state;
    error err = {0};
    exchange_file file;
    static const char header[] =
        "{\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"none\":{\"dtype\":\"F16\",\"shape\":[0,7],\"data_offsets\":[8,8]},"
        "\"__metadata__\":{\"other\":\"\"},"
        "\"one\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}";
    put_safetensors(header, strlen(header), 10);
    assert_true(exchange_read(path_of("x.safetensors"), &file, &err));
    assert_int_equal(file.n_arrays, 3);
    assert_null(file.arrays[0].values);
    assert_int_equal(file.arrays[1].count, 0);
    assert_int_equal(file.arrays[2].n_dims, 0);
    exchange_file_release(&file);
}

/* A zip file with one member. */
static void put_npz(const char *member, const char *dict, size_t n_data)
{
    static const uint8_t zeros[4096];
    char header[512] = "\x93NUMPY\1";
    error err = {0};
    size_t n = strlen(dict);
    header[8] = (char)(n & 0xff);
    header[9] = (char)(n >> 8);
    memcpy(header + 10, dict, n);
    FILE *file = fopen(path_of("x.npz"), "wb");
    zip_writer *to = zip_write_new(file, "x.npz", 1, &err);
    const zip_part parts[] = {{header, 10 + n}, {zeros, n_data}};
    assert_true(zip_write_member(to, member, parts, 2, &err) && zip_write_end(to, "no JSON", &err));
    zip_write_free(to);
    fclose(file);
}

#define DICT(descr, order, shape)                                                                  \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }\n"

static void hostile_npz(void **state)
{
    (void)state;
    static const struct {
        const char *member, *dict, *says;
        size_t n_data;
    } bad[] = {
        {"a.npy", DICT("<f4", "False", "(3,)"), "promises", 8},
        {"a.npy", DICT("<f4", "False", "(1,)"), "promises", 8},
        {"a.npy", DICT("<f4", "False", "(4294967296, 4294967296, 4)"), "fit in memory", 8},
        {"a.npy", DICT("<f4", "True", "(2,)"), "Fortran", 8},
        {"a.npy", DICT("<f4", "False", "(2"), "no array", 8},
        {"a.npy", DICT("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 2)"), "9 dimensions", 8},
        {"a.npy", DICT(">f4", "False", "(2,)"), "of type >f4", 8},
        {"a.npy", DICT("<i4", "False", "(2,)"), "of type <i4", 8},
        {"a.npy", DICT("<U1", "False", "(2,)"), "of type <U1", 8},
        {"a.npy", DICT("<V2", "False", "(4,)"), "of type <V2", 8},
        {"a.npy", "", "cut off", 0},
        {"a.npy", "12", "no array", 0},
        {"a.txt", DICT("<f4", "False", "(2,)"), "a.txt is no array", 8},
        {".npy", DICT("<f4", "False", "(2,)"), "is no array", 8},
        {"deep/data.pkl", "", "pickles", 0},
        {"this/archive/has/a/name/that/is/long/data.pkl", "", "pickles", 0},
    };
    for (size_t k = 0; k < COUNT(bad); k++) {
        put_npz(bad[k].member, bad[k].dict, bad[k].n_data);
        refuse("x.npz", bad[k].says);
    }
    put_bytes("x.npz", "PK\3\4..........................", 30);
    refuse("x.npz", "no zip file");
    put_npz("conv1.weight.npy", DICT("<f8", "False", "(1, 2)"), 16);
    error err = {0};
    exchange_file file;
    assert_true(exchange_read(path_of("x.npz"), &file, &err));
    assert_int_equal(file.arrays[0].dims[1], 2);
    exchange_file_release(&file);
}

static void a_file_is_what_its_name_says(void **state)
{
    (void)state;
    error err = {0};
    exchange_model *from = new_model();
    for (size_t k = 0; k < COUNT(files); k++)
        assert_true(exchange_write(from, path_of(files[k]), false, &err));
    exchange_model_free(from);
    for (size_t k = 0; k < COUNT(files); k++)
        for (size_t other = 0; other < COUNT(files); other++) {
            static const char *const begins[] = {"a safetensors", "a npz", "a HDF5"};
            char name[64], path[256];
            snprintf(name, sizeof name, "as%s", files[other] + 1);
            strcpy(path, path_of(name));
            assert_int_equal(rename(path_of(files[k]), path), 0);
            if (k != other)
                refuse(name, begins[k]);
            assert_int_equal(rename(path, path_of(files[k])), 0);
        }
    /* Without a name that says anything the bytes do. */
    exchange_file file;
    char path[256];
    strcpy(path, path_of("weights"));
    assert_int_equal(rename(path_of("a.npz"), path), 0);
    assert_true(exchange_read(path, &file, &err));
    exchange_file_release(&file);
    put_bytes("weights", "hello", 5);
    refuse("weights", "of no format that is read");
    refuse("nowhere.npz", "No such file");
    put("folder.h5", FOLDER);
    refuse("folder.h5", "not a regular file");
    put("pipe.h5", PIPE);
    refuse("pipe.h5", "not a regular file");
}

static void pickles_are_refused_with_the_way_out(void **state)
{
    (void)state;
    static const char *const names[] = {"x.pt", "x.pth", "x.safetensors", "x"};
    for (size_t k = 0; k < COUNT(names); k++) {
        put_bytes(names[k], "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15); /* before 1.6 */
        refuse(names[k], "safetensors.torch.save_file(torch.load(\"");
        put_npz("archive/data.pkl", "", 0); /* as of today */
        assert_int_equal(rename(path_of("x.npz"), strdupa(path_of(names[k]))), 0);
        refuse(names[k], "weights_only=True), \"model.safetensors\")");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_and_back),
        TEST(nothing_is_replaced_or_half_written),
        TEST(a_result_file_is_made),
        TEST(halves_are_what_ieee_says),
        TEST(other_sizes_become_floats),
        TEST(arrays_have_limits),
        TEST(the_first_that_does_not_fit_is_named),
        TEST(hostile_safetensors),
        TEST(a_model_file_has_its_limit),
        TEST(lengths_of_a_header),
        TEST(zeros_and_single_values_have_their_place),
        TEST(hostile_npz),
        TEST(a_file_is_what_its_name_says),
        TEST(pickles_are_refused_with_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
