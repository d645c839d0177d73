/*
 * Small nets of all kinds of layers against PyTorch's numbers, tests/data/pytorch_nets.h5 and pytorch_kinds.h5: made by
 * tests/data/pytorch_nets.py, which tells what is in them, and tests/data/pytorch_kinds.py.
 */
#include "networks.h"

#include <hdf5.h>

/* Of an array's largest value. */
#define TOLERANCE 1e-5

typedef struct numbers_of {
    size_t n;
    float *x;
} numbers_of;

static numbers_of read_numbers(hid_t group, const char *name)
{
    hid_t data = H5Dopen2(group, name, H5P_DEFAULT), space = H5Dget_space(data);
    if (data < 0)
        fail_msg("no %s", name);
    numbers_of a = {.n = (size_t)H5Sget_simple_extent_npoints(space)};
    a.x = guarded_new(a.n * sizeof *a.x);
    assert_true(H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, a.x) >= 0);
    assert_true(H5Sclose(space) >= 0 && H5Dclose(data) >= 0);
    return a;
}

static model *read_model(hid_t group)
{
    char *text = NULL;
    hid_t attribute = H5Aopen(group, "model", H5P_DEFAULT), type = H5Aget_type(attribute);
    assert_true(H5Aread(attribute, type, &text) >= 0);
    model *m = model_of(text);
    assert_true(H5free_memory(text) >= 0 && H5Tclose(type) >= 0 && H5Aclose(attribute) >= 0);
    return m;
}

static void compare(const char *net, const char *what, const float *got, const numbers_of *want)
{
    double largest = 0.0;
    for (size_t k = 0; k < want->n; k++)
        largest = fmax(largest, fabs((double)want->x[k]));
    for (size_t k = 0; k < want->n; k++)
        if (!(fabs((double)got[k] - (double)want->x[k]) <= TOLERANCE * largest))
            fail_msg("%s, %s, value %zu: %.8g, PyTorch's %.8g", net, what, k, (double)got[k],
                     (double)want->x[k]);
}

static void compare_logits(const char *net, const network *at, hid_t group, int n_classes)
{
    numbers_of want = read_numbers(group, "logits");
    float *got = guarded_new(want.n * sizeof *got);
    for (size_t k = 0; k < want.n; k++)
        got[k] = network_logit(at, k / (size_t)n_classes, (int)(k % (size_t)n_classes));
    compare(net, "logits", got, &want);
    guarded_free(got);
    guarded_free(want.x);
}

/* The group's tensors into a flat vector, or against one. */
static void each_tensor(const char *net, hid_t group, const model *m, const char *kind, float *flat,
                        bool read)
{
    for (int k = 0; k < m->n_tensors; k++) {
        const tensor *t = &m->tensors[k];
        char path[200];
        snprintf(path, sizeof path, "%s/%s", kind, t->name);
        numbers_of a = read_numbers(group, path);
        assert_int_equal(a.n, t->count);
        if (read)
            memcpy(flat + t->offset, a.x, a.n * sizeof *a.x);
        else
            compare(net, path, flat + t->offset, &a);
        guarded_free(a.x);
    }
}

static void check_net(const char *name, hid_t group, int n_threads)
{
    model *m = read_model(group);
    numbers_of x = read_numbers(group, "x"), labels = read_numbers(group, "labels");
    numbers_of loss = read_numbers(group, "loss");
    images data = {.features = layer_features(m->input), .x = x.x};
    data.labels = guarded_new(labels.n * sizeof *data.labels);
    for (size_t k = 0; k < labels.n; k++)
        data.labels[k] = (uint16_t)labels.x[k];
    network_input input = {.load = images_load, .arg = &data};
    network *net = network_of(m, labels.n, true, n_threads);
    float *w = guarded_new(m->n_weights * sizeof *w), *g = guarded_new(m->n_weights * sizeof *g);
    each_tensor(name, group, m, "w", w, true);
    network_result result = network_gradient(net, w, g, &input, labels.n);
    float mean = (float)(result.loss_sum / (double)labels.n);
    compare_logits(name, net, group, m->n_classes);
    compare(name, "loss", &mean, &loss);
    each_tensor(name, group, m, "g", g, false);
    network_free(net);
    guarded_free(w);
    guarded_free(g);
    images_free(&data);
    guarded_free(labels.x);
    guarded_free(loss.x);
    model_free(m);
}

static void check_file(const char *path)
{
    H5G_info_t info;
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0 && H5Gget_info(file, &info) >= 0); /* run from the project's folder */
    assert_true(info.nlinks >= 10);
    for (hsize_t k = 0; k < info.nlinks; k++) {
        char name[80];
        assert_true(H5Lget_name_by_idx(file, ".", H5_INDEX_NAME, H5_ITER_INC, k, name, sizeof name,
                                       H5P_DEFAULT) > 0);
        hid_t group = H5Gopen2(file, name, H5P_DEFAULT);
        for (int n_threads = 1; n_threads <= 3; n_threads++)
            check_net(name, group, n_threads);
        assert_true(H5Gclose(group) >= 0);
    }
    assert_true(H5Fclose(file) >= 0);
}

/* 19 images, or 9, of one block or several: by the team, and by blocks. */
static void test_nets(void **state)
{
    (void)state;
    check_file("tests/data/pytorch_nets.h5");
    check_file("tests/data/pytorch_kinds.h5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
