/*
 * ONNX files: what is written and read again, PyTorch's (tests/data/pytorch_onnx.h5 and pytorch_dynamo.h5, made by
 * tests/data/pytorch_onnx.py), and those in Debian's libonnx-testdata, where it is installed.
 */
#include "exchange/onnx_write.h"
#include "onnx_net.h"
#include "pytorch_file.h"

#include "exchange/onnx_file.h"

#include <dirent.h>
#include <unistd.h>

#define TEST(name) cmocka_unit_test(name)
#define TOLERANCE 1e-5 /* of the largest output */
#define DYNAMO "tests/data/pytorch_dynamo.h5"
#define TESTDATA "/usr/share/libonnx-testdata/data"

/* ---- our own ----------------------------------------------------------------------------------- */

static void every_kind_has_words(void **state)
{
    (void)state;
    for (const layer_kind *const *kind = layer_kinds; *kind; kind++) {
        char line[64];
        snprintf(line, sizeof line, "kind = %s\n", (*kind)->name);
        if (!onnx_knows((*kind)->name) || !strstr(EVERY_KIND, line))
            fail_msg("%s: not written, or not in EVERY_KIND", (*kind)->name);
    }
}

static void what_is_written_comes_back_to_the_bit(void **state)
{
    (void)state;
    model *m = model_of(EVERY_KIND);
    float *w = trained_new(m);
    in_memory made = save_of(EVERY_KIND, w, "0.5,0.25,0.375/0.25,0.5,0.125");
    exchange_file file = read_of(made.bytes, made.n);
    assert_false(file.translated);
    assert_string_equal(file.text, EVERY_KIND);
    assert_string_equal(file.normalise, "0.5,0.25,0.375/0.25,0.5,0.125");
    assert_int_equal(file.n_classes, m->n_classes);
    assert_string_equal(file.class_names[6], "class 6");
    float *back = fit_of(&file, m);
    assert_memory_equal(back, w, m->n_weights * sizeof *w);
    guarded_free(back);
    exchange_file_release(&file);
    guarded_free(w);
    free(made.bytes);
    model_free(m);
}

/* As another program's, of which only the operators count. */
static void our_graph_is_read_as_anybodys(void **state)
{
    (void)state;
    enum { N = 5 };
    model *m = model_of(EVERY_KIND);
    float *w = trained_new(m), *x = floats_new(N * layer_features(m->input), REALS);
    in_memory made = save_of(EVERY_KIND, w, "0.5,0.25,0.375/0.25,0.5,0.125");
    char *producer = memmem(made.bytes, made.n, ONNX_PRODUCER, strlen(ONNX_PRODUCER));
    assert_non_null(producer);
    *producer = 'G';
    exchange_file file = read_of(made.bytes, made.n);
    assert_true(file.translated);
    assert_null(file.class_names);
    assert_string_equal(file.normalise, "0.5,0.25,0.375/0.25,0.5,0.125");
    model *again = model_of(file.text);
    float *back = fit_of(&file, again);
    assert_int_equal(again->n_weights, m->n_weights);
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k], *s = &again->tensors[k];
        assert_string_equal(s->name, t->name);
        assert_memory_equal(back + s->offset, w + t->offset, t->count * sizeof *w);
    }
    float *y = logits_of(m, w, x, N), *z = logits_of(again, back, x, N);
    assert_memory_equal(y, z, N * (size_t)m->n_classes * sizeof *y);
    guarded_free(y);
    guarded_free(z);
    guarded_free(x);
    guarded_free(back);
    exchange_file_release(&file);
    model_free(again);
    guarded_free(w);
    free(made.bytes);
    model_free(m);
}

/* Metadata is of no use when somebody has changed the graph. */
static void a_changed_graph_is_not_taken_for_ours(void **state)
{
    (void)state;
    model *m = model_of(SMALL);
    float *w = trained_new(m);
    in_memory made = save_of(SMALL, w, "half");
    char *relu = memmem(made.bytes, made.n, "\"\4Relu", 6); /* the operator of a node */
    assert_non_null(relu);
    memcpy(relu + 2, "Tanh", 4);
    exchange_file file = read_of(made.bytes, made.n);
    assert_true(file.translated);
    assert_non_null(strstr(file.text, "kind = tanh"));
    assert_string_equal(file.normalise, "0.5,0.5/0.5,0.5");
    assert_int_equal(file.n_classes, m->n_classes);
    exchange_file_release(&file);
    guarded_free(w);
    free(made.bytes);
    model_free(m);
}

/* ---- anybody's --------------------------------------------------------------------------------- */

static void softmax(float *y, size_t n)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += exp((double)y[k]);
    for (size_t k = 0; k < n; k++)
        y[k] = (float)(exp((double)y[k]) / sum);
}

static void compare(const char *what, const float *got, const float *want, size_t n)
{
    double largest = 0.0;
    for (size_t k = 0; k < n; k++)
        largest = fmax(largest, fabs((double)want[k]));
    for (size_t k = 0; k < n; k++)
        assert_close(what, k, (double)got[k], (double)want[k], TOLERANCE * largest);
}

/* x is what the graph takes, of so large a range, and the model takes it normalised. */
static void normalise(const exchange_file *file, const model *m, float *x, size_t n, double range)
{
    error err = {0};
    layer_shape s = m->input;
    input_values by;
    size_t plane = (size_t)s.height * (size_t)s.width, channels = (size_t)s.channels;
    if (!file->normalise)
        return;
    assert_true(
        input_values_init(&by, (image_shape){s.channels, s.height, s.width, m->n_classes}, &err));
    assert_true(normalise_set(&by, file->normalise, &err));
    for (size_t k = 0; k < n * channels * plane; k++) {
        size_t c = k / plane % channels;
        x[k] = (float)(((double)x[k] / range - (double)by.mean[c]) / (double)by.deviation[c]);
    }
    input_values_release(&by);
}

/* The ONNX file in a group, guarded_free it. */
static uint8_t *read_bytes(hid_t all, const char *name, size_t *n)
{
    hid_t group = H5Gopen2(all, name, H5P_DEFAULT);
    assert_true(group >= 0);
    float *numbers = read_floats(group, "file", n);
    uint8_t *bytes = guarded_new(*n);
    for (size_t k = 0; k < *n; k++)
        bytes[k] = (uint8_t)numbers[k];
    guarded_free(numbers);
    assert_true(H5Gclose(group) >= 0);
    return bytes;
}

static void compare_net(hid_t all, const char *name)
{
    size_t n_bytes, n_x, n_y;
    hid_t group = H5Gopen2(all, name, H5P_DEFAULT);
    assert_true(group >= 0);
    bool probabilities = read_number(all, name, "probabilities") != 0.0;
    float *x = read_floats(group, "x", &n_x), *want = read_floats(group, "y", &n_y);
    uint8_t *file_bytes = read_bytes(all, name, &n_bytes);
    exchange_file file = read_of(file_bytes, n_bytes);
    model *m = model_of(file.text);
    float *w = fit_of(&file, m);
    size_t n = n_x / layer_features(m->input), classes = (size_t)m->n_classes;
    normalise(&file, m, x, n, read_number(all, name, "range"));
    float *got = logits_of(m, w, x, n);
    assert_int_equal(n_y, n * classes);
    for (size_t k = 0; k < n && probabilities; k++)
        softmax(got + k * classes, classes);
    compare(name, got, want, n_y);
    guarded_free(got);
    guarded_free(w);
    model_free(m);
    exchange_file_release(&file);
    guarded_free(file_bytes);
    guarded_free(want);
    guarded_free(x);
    assert_true(H5Gclose(group) >= 0);
}

/* The nets of a file; how many. */
static int compare_nets(const char *path)
{
    char name[128];
    H5G_info_t all;
    int n = 0;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0 && H5Gget_info(file, &all) >= 0);
    for (hsize_t k = 0; k < all.nlinks; k++) {
        assert_true(H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, k, name, sizeof name,
                                       H5P_DEFAULT) > 0);
        if (strcmp(name, "external") != 0) {
            compare_net(file, name);
            n++;
        }
    }
    assert_true(H5Fclose(file) >= 0);
    return n;
}

static void what_pytorch_writes_gives_what_pytorch_gives(void **state)
{
    (void)state;
    assert_int_equal(compare_nets("tests/data/pytorch_onnx.h5"), 9);
    assert_int_equal(compare_nets(DYNAMO), 6);
}

static void weights_that_dynamo_wrote_elsewhere_are_asked_for(void **state)
{
    (void)state;
    size_t n;
    error err = {0};
    exchange_file made = {0};
    hid_t all = H5Fopen(DYNAMO, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(all >= 0);
    uint8_t *bytes = read_bytes(all, "external", &n);
    assert_false(onnx_read(bytes, n, &made, &err));
    assert_int_equal(err.kind, ERROR_USER);
    assert_non_null(strstr(err.text, "conv1.weight lies in another file (external data)"));
    exchange_file_release(&made);
    guarded_free(bytes);
    assert_true(H5Fclose(all) >= 0);
}

/* ---- libonnx-testdata -------------------------------------------------------------------------- */

static const char *const right[] = {
    "pytorch-converted/test_BatchNorm2d_eval",
    "pytorch-converted/test_BatchNorm2d_momentum_eval",
    "pytorch-converted/test_Conv2d_depthwise",
    "pytorch-converted/test_Conv2d_depthwise_padded",
    "pytorch-converted/test_Conv2d_depthwise_strided",
    "pytorch-converted/test_Conv2d_depthwise_with_multiplier",
    "pytorch-converted/test_Conv2d_dilated",
    "pytorch-converted/test_Conv2d_padding",
    "pytorch-converted/test_Conv2d_strided",
    "pytorch-converted/test_Linear",
    "pytorch-converted/test_Linear_no_bias",
    "pytorch-converted/test_PReLU_2d",
    "pytorch-converted/test_PReLU_2d_multiparam",
    "pytorch-operator/test_operator_conv",
    "pytorch-operator/test_operator_symbolic_override",
};

static uint8_t *load(const char *path, size_t *n)
{
    error err = {0};
    uint8_t *bytes = exchange_load(path, n, &err);
    if (!bytes)
        fail_msg("%s", err.text);
    return bytes;
}

/* A tensor in a file by itself; its numbers, guarded_free them. */
static float *load_tensor(const char *folder, const char *name, size_t *n_first, size_t *n)
{
    char path[1024];
    size_t n_bytes;
    error err = {0};
    onnx_tensor t;
    snprintf(path, sizeof path, "%s/%s/test_data_set_0/%s_0.pb", TESTDATA, folder, name);
    uint8_t *bytes = load(path, &n_bytes);
    assert_true(onnx_tensor_parse(&t, (proto_span){bytes, n_bytes}, &err));
    *n = t.count;
    *n_first = t.dims[0];
    float *x = guarded_new(t.count * sizeof *x);
    assert_true(onnx_tensor_floats(&t, x, &err));
    memory_free(bytes);
    return x;
}

static void compare_outputs(const char *folder, const exchange_file *file)
{
    size_t n, n_x, n_y;
    model *m = model_of(file->text);
    float *w = fit_of(file, m), *x = load_tensor(folder, "input", &n, &n_x);
    float *want = load_tensor(folder, "output", &n, &n_y);
    assert_int_equal(n_x, n * layer_features(m->input));
    float *got = logits_of(m, w, x, n);
    assert_int_equal(n_y, n * (size_t)m->n_classes);
    compare(folder, got, want, n_y);
    guarded_free(got);
    guarded_free(want);
    guarded_free(x);
    guarded_free(w);
    model_free(m);
}

static bool is_right(const char *folder)
{
    for (size_t k = 0; k < sizeof right / sizeof *right; k++)
        if (strcmp(right[k], folder) == 0)
            return true;
    return false;
}

/* Either it is in the list above, and right, or it is refused: here, or as a model that has nothing to train. */
static bool try_model(const char *folder)
{
    char path[1024];
    size_t n;
    error err = {0};
    exchange_file file = {0};
    snprintf(path, sizeof path, "%s/%s/model.onnx", TESTDATA, folder);
    uint8_t *bytes = load(path, &n);
    bool good = onnx_read(bytes, n, &file, &err), wanted = is_right(folder);
    model *m = good ? model_new("made", file.text, &err) : NULL;
    if ((m != NULL) != wanted)
        fail_msg("%s: %s", folder, m ? "was read" : err.text);
    if (!m && (err.kind != ERROR_USER || strlen(err.text) < 20))
        fail_msg("%s: %s", folder, err.text);
    if (m)
        compare_outputs(folder, &file);
    model_free(m);
    exchange_file_release(&file);
    memory_free(bytes);
    return wanted;
}

static size_t try_models(const char *group, size_t *n_right)
{
    char path[512];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", TESTDATA, group);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", group, entry->d_name);
        *n_right += try_model(path);
        n++;
    }
    closedir(folder);
    return n;
}

static void models_of_debian_are_right_or_refused(void **state)
{
    (void)state;
    size_t n_right = 0;
    if (access(TESTDATA, R_OK) != 0) {
        print_message("%s is not there: apt-get install libonnx-testdata\n", TESTDATA);
        skip();
    }
    size_t n = try_models("pytorch-converted", &n_right) +
               try_models("pytorch-operator", &n_right) + try_models("simple", &n_right);
    assert_true(n >= 100);
    assert_int_equal(n_right, sizeof right / sizeof *right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_has_words),
        TEST(what_is_written_comes_back_to_the_bit),
        TEST(our_graph_is_read_as_anybodys),
        TEST(a_changed_graph_is_not_taken_for_ours),
        TEST(what_pytorch_writes_gives_what_pytorch_gives),
        TEST(weights_that_dynamo_wrote_elsewhere_are_asked_for),
        TEST(models_of_debian_are_right_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
