/*
 * Small nets of norms and poolings, steps and a test, against PyTorch's numbers, tests/data/pytorch_layers.h5: made by
 * tests/data/pytorch_layers.py, which tells what is in it.
 */
#include "pytorch_file.h"

/* Of a tensor's largest value.  Norms of few numbers make rounding a hundred times as large. */
#define TOLERANCE 3e-5

enum { N_CLASSES = 5, MAX_IMAGES = 16 };

typedef struct net_case {
    hid_t file;
    const char *name;
    model *m;
    network *net;
    network_vectors at;
    images data;
    size_t n;
} net_case;

static char *path_of(const net_case *c, const char *group, const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "/%s/%s%s", c->name, group, name);
    return path;
}

/* The model's text, an attribute of fixed length. */
static model *read_model(const net_case *c)
{
    char text[2000] = "";
    hid_t attribute =
        H5Aopen_by_name(c->file, path_of(c, "", ""), "model", H5P_DEFAULT, H5P_DEFAULT);
    hid_t type = H5Aget_type(attribute);
    assert_true(H5Tget_size(type) < sizeof text && H5Aread(attribute, type, text) >= 0);
    assert_true(H5Tclose(type) >= 0 && H5Aclose(attribute) >= 0);
    return model_of(text);
}

static void read_images(net_case *c)
{
    size_t n_x;
    float *labels = read_floats(c->file, path_of(c, "", "labels"), &c->n);
    c->data = (images){.features = layer_features(c->m->input)};
    c->data.x = read_floats(c->file, path_of(c, "", "x"), &n_x);
    c->data.labels = guarded_new(c->n * sizeof *c->data.labels);
    assert_true(c->n <= MAX_IMAGES && n_x == c->n * c->data.features);
    for (size_t k = 0; k < c->n; k++)
        c->data.labels[k] = (uint16_t)labels[k];
    guarded_free(labels);
}

static void read_weights(const net_case *c)
{
    for (int k = 0; k < c->m->n_tensors; k++) {
        const tensor *t = &c->m->tensors[k];
        size_t n;
        float *values = read_floats(c->file, path_of(c, "init/", t->name), &n);
        assert_int_equal(n, t->count);
        memcpy(c->at.w + t->offset, values, n * sizeof *values);
        guarded_free(values);
    }
}

static void compare_tensors(const net_case *c, const char *group, const float *got,
                            bool with_statistics)
{
    for (int k = 0; k < c->m->n_tensors; k++) {
        const tensor *t = &c->m->tensors[k];
        if (t->role == TENSOR_STATISTIC && !with_statistics)
            continue;
        double *values = doubles_new(t->count);
        for (size_t j = 0; j < t->count; j++)
            values[j] = (double)got[t->offset + j];
        compare_numbers(c->file, path_of(c, group, t->name), values, t->count, TOLERANCE);
        guarded_free(values);
    }
}

static void compare_logits(const net_case *c, const char *name)
{
    double logits[MAX_IMAGES * N_CLASSES];
    for (size_t k = 0; k < c->n * N_CLASSES; k++)
        logits[k] = (double)network_logit(c->net, k / N_CLASSES, (int)(k % N_CLASSES));
    compare_numbers(c->file, path_of(c, "", name), logits, c->n * N_CLASSES, TOLERANCE);
}

static void check_net(net_case *c)
{
    network_input input = {.load = images_load, .arg = &c->data};
    const char *at = path_of(c, "", "");
    optimizer by =
        optimizer_of("sgd",
                     (optimizer_settings){.lr = read_number(c->file, at, "lr"),
                                          .momentum = read_number(c->file, at, "momentum")},
                     c->m);
    double loss = network_gradient(c->net, c->at.w, c->at.g, &input, c->n).loss_sum / (double)c->n;
    compare_logits(c, "logits");
    compare_numbers(c->file, path_of(c, "", "loss"), &loss, 1, TOLERANCE);
    compare_tensors(c, "grad/", c->at.g, false);
    int n_steps = (int)read_number(c->file, path_of(c, "", ""), "steps");
    for (int k = 0; k < n_steps; k++)
        network_step(c->net, &c->at, &by, &input, c->n);
    optimizer_release(&by);
    compare_tensors(c, "final/", c->at.w, true);
    (void)network_forward(c->net, c->at.w, &input, c->n);
    compare_logits(c, "tested");
}

static void test_nets(void **state)
{
    const hid_t file = *(hid_t *)*state;
    H5G_info_t info;
    assert_true(H5Gget_info(file, &info) >= 0 && info.nlinks > 0);
    for (hsize_t k = 0; k < info.nlinks; k++) {
        char name[100];
        net_case c = {.file = file, .name = name};
        assert_true(H5Lget_name_by_idx(file, "/", H5_INDEX_NAME, H5_ITER_INC, k, name, sizeof name,
                                       H5P_DEFAULT) >= 0);
        c.m = read_model(&c);
        read_images(&c);
        c.net = network_of(c.m, c.n, true, 1 + (int)k % 2);
        c.at = vectors_new(c.m);
        read_weights(&c);
        check_net(&c);
        vectors_free(&c.at);
        network_free(c.net);
        images_free(&c.data);
        model_free(c.m);
    }
}

static int setup(void **state)
{
    static hid_t file;
    file = H5Fopen("tests/data/pytorch_layers.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    *state = &file;
    return file < 0 ? -1 : 0; /* run from the project's folder */
}

static int teardown(void **state)
{
    return H5Fclose(*(hid_t *)*state) < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nets)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
