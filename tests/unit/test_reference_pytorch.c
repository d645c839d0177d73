/*
 * The paper's network against PyTorch's numbers, on real images: BRAMBLE_REFERENCE names an HDF5 file of
 * them, BRAMBLE_DATA the folder of CIFAR-10's binary files.  Skipped where either is not set.
 */
#include "networks.h"

#include "base/ini.h"
#include "data/cifar10.h"

#include <hdf5.h>
#include <stdlib.h>

/*
 * Tolerances, of a tensor's largest value.  After one pass only rounding differs.  Over many steps it is
 * amplified: a ReLU or a maximum falls to the other side, and while the loss leaves its plateau the
 * difference grows a thousandfold (PyTorch in double and in single precision are 2e-3 apart in the loss
 * after 200 steps, from the same start).  So the training is repeated from starts that differ by rounding
 * alone, and what that changes, a few times, is allowed where it is more than these.
 */
#define ONE_PASS 1e-5
#define SOME_STEPS 1e-4 /* the first half of them */
#define MANY_STEPS 1e-3

enum { PIXELS = CIFAR10_RECORD_BYTES - 1, EVALUATION_IMAGES = 100 };
enum { TWINS = 4, FEW = 3, MAX_TENSORS = 10 };

/* With a sanitizer in it the long training would take minutes; a part of it meets all the code. */
#ifdef __SANITIZE_ADDRESS__
enum { SGD_STEPS = 200, STEPS = 20 };
#else
enum { SGD_STEPS = 200, STEPS = SGD_STEPS };
#endif

typedef struct fixture {
    hid_t file;
    size_t batch;
    model *m;
    uint8_t *train, *test; /* CIFAR10_FILE_IMAGES records each */
    float *w, *g, *v;
} fixture;

/* Where a batch comes from: the records of a file, from a given one on. */
typedef struct records {
    const uint8_t *bytes;
    size_t first;
} records;

static void records_load(void *arg, size_t first, size_t n, float *x, uint8_t *labels)
{
    const records *self = arg;
    const uint8_t *record = self->bytes + (self->first + first) * CIFAR10_RECORD_BYTES;
    memset(x, 0, sizeof(vec) * PIXELS);
    for (size_t lane = 0; lane < n; lane++, record += CIFAR10_RECORD_BYTES) {
        labels[lane] = record[0];
        for (size_t k = 0; k < PIXELS; k++)
            x[k * VEC_WIDTH + lane] = ((float)record[1 + k] / 255.0F - 0.5F) / 0.5F;
    }
}

static uint8_t *read_records(const char *folder, const char *name)
{
    char path[4096];
    size_t bytes = (size_t)CIFAR10_RECORD_BYTES * CIFAR10_FILE_IMAGES;
    uint8_t *all = guarded_new(bytes);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || fread(all, 1, bytes, file) != bytes)
        fail_msg("%s cannot be read", path);
    fclose(file);
    return all;
}

/* A dataset of n floats; guarded_free it. */
static float *read_floats(const fixture *f, const char *path, size_t n)
{
    hid_t data = H5Dopen2(f->file, path, H5P_DEFAULT), space = H5Dget_space(data);
    float *x = guarded_new(n * sizeof *x);
    if (H5Sget_simple_extent_npoints(space) != (hssize_t)n)
        fail_msg("%s: not %zu numbers", path, n);
    assert_true(H5Dread(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    assert_true(H5Sclose(space) >= 0 && H5Dclose(data) >= 0);
    return x;
}

/* A flat vector against the datasets of a group, one for each tensor; tolerances: one for each, too. */
static void compare_tensors(const fixture *f, const char *group, const float *got,
                            const double *tolerances)
{
    for (int k = 0; k < f->m->n_tensors; k++) {
        const tensor *t = &f->m->tensors[k];
        char path[200];
        double largest = 0.0;
        snprintf(path, sizeof path, "%s/%s", group, t->name);
        float *values = read_floats(f, path, t->count);
        double *want = doubles_new(t->count), *bound = doubles_new(t->count);
        for (size_t j = 0; j < t->count; j++)
            largest = fmax(largest, fabs((double)values[j]));
        for (size_t j = 0; j < t->count; j++) {
            want[j] = (double)values[j];
            bound[j] = largest;
        }
        assert_near(path, got + t->offset, want, bound, tolerances[k], t->count);
        guarded_free(values);
        guarded_free(want);
        guarded_free(bound);
    }
}

static void read_weights(const fixture *f)
{
    for (int k = 0; k < f->m->n_tensors; k++) {
        const tensor *t = &f->m->tensors[k];
        char path[200];
        snprintf(path, sizeof path, "/init/%s", t->name);
        float *values = read_floats(f, path, t->count);
        memcpy(f->w + t->offset, values, t->count * sizeof *values);
        guarded_free(values);
    }
    memset(f->v, 0, f->m->n_weights * sizeof *f->v);
}

static int setup(void **state)
{
    const char *reference = getenv("BRAMBLE_REFERENCE"), *folder = getenv("BRAMBLE_DATA");
    static fixture f;
    long batch = 0;
    *state = NULL;
    if (!reference || !*reference || !folder || !*folder)
        return 0;
    f.file = H5Fopen(reference, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t attribute = H5Aopen(f.file, "batch", H5P_DEFAULT);
    if (attribute < 0 || H5Aread(attribute, H5T_NATIVE_LONG, &batch) < 0 || H5Aclose(attribute) < 0)
        return -1;
    assert_in_range(batch, 1, CIFAR10_FILE_IMAGES);
    f.batch = (size_t)batch;
    error err = {0};
    char *text = ini_read_file("models/paper.ini", &err);
    f.m = text ? model_new("models/paper.ini", text, &err) : NULL;
    memory_free(text);
    if (!f.m)
        fail_msg("%s (run from the project's folder)", err.text);
    f.train = read_records(folder, "data_batch_1.bin");
    f.test = read_records(folder, "test_batch.bin");
    f.w = guarded_new(f.m->n_weights * sizeof(float));
    f.g = guarded_new(f.m->n_weights * sizeof(float));
    f.v = guarded_new(f.m->n_weights * sizeof(float));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    if (!f)
        return 0;
    void *const all[] = {f->train, f->test, f->w, f->g, f->v};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
    model_free(f->m);
    return H5Fclose(f->file) < 0;
}

static fixture *fixture_of(void **state)
{
    if (!*state)
        skip();
    return *state;
}

static void test_one_pass(void **state)
{
    const fixture *f = fixture_of(state);
    records from = {f->train, 0};
    network_input input = {records_load, &from};
    network *net = network_of(f->m, f->batch, true, 1);
    size_t n_logits = f->batch * 10;
    read_weights(f);
    network_result result = network_gradient(net, f->w, f->g, &input, f->batch);
    float *loss = read_floats(f, "/step/loss", 1),
          *logits = read_floats(f, "/step/logits", n_logits);
    assert_true(fabs(result.loss_sum / (double)f->batch - (double)*loss) <=
                ONE_PASS * (double)*loss);
    double largest = 0.0;
    for (size_t k = 0; k < n_logits; k++)
        largest = fmax(largest, fabs((double)logits[k]));
    for (size_t k = 0; k < n_logits; k++) {
        double got = (double)network_logit(net, k / 10, (int)(k % 10));
        assert_true(fabs(got - (double)logits[k]) <= ONE_PASS * largest);
    }
    double tolerances[MAX_TENSORS];
    for (int k = 0; k < f->m->n_tensors; k++)
        tolerances[k] = ONE_PASS;
    compare_tensors(f, "/step/grad", f->g, tolerances);
    guarded_free(loss);
    guarded_free(logits);
    network_free(net);
}

static double accuracy(const fixture *f)
{
    network *net = network_of(f->m, EVALUATION_IMAGES, false, 1);
    records from = {f->test, 0};
    network_input input = {records_load, &from};
    size_t n_correct = 0;
    for (; from.first < CIFAR10_FILE_IMAGES; from.first += EVALUATION_IMAGES)
        n_correct += network_forward(net, f->w, &input, EVALUATION_IMAGES).n_correct;
    network_free(net);
    return (double)n_correct / CIFAR10_FILE_IMAGES;
}

/* All steps from the weights in f->w, in file order. */
static void train(const fixture *f, double losses[STEPS])
{
    const update_rule rule = {.lr = 0.01F, .momentum = 0.9F};
    const network_vectors at = {f->w, f->v, f->g};
    records from = {f->train, 0};
    network_input input = {records_load, &from};
    network *net = network_of(f->m, f->batch, true, 1);
    for (size_t k = 0; k < STEPS; k++) {
        from.first = k * f->batch % CIFAR10_FILE_IMAGES;
        size_t left = CIFAR10_FILE_IMAGES - from.first, n = left < f->batch ? left : f->batch;
        losses[k] = network_step(net, &at, &rule, &input, n).loss_sum / (double)n;
    }
    network_free(net);
}

/* How far trainings from starts one rounding away end from this one: tolerances. */
static void measure(const fixture *f, const double *losses, const float *w, double by_step[STEPS],
                    double by_tensor[MAX_TENSORS])
{
    double twin[STEPS];
    for (int turn = 0; turn < TWINS; turn++) {
        uint64_t stream = next_stream();
        read_weights(f);
        for (size_t k = 0; k < f->m->n_weights; k++)
            f->w[k] = nextafterf(f->w[k], (float)random_below(SEED, stream, k, 3) - 1.0F);
        train(f, twin);
        double most = 0.0;
        for (int k = 0; k < STEPS; k++) {
            most = fmax(most, fabs(twin[k] - losses[k]) / losses[k]);
            by_step[k] = fmax(by_step[k], FEW * most);
        }
        for (int k = 0; k < f->m->n_tensors; k++) {
            const tensor *t = &f->m->tensors[k];
            double largest = 0.0, furthest = 0.0;
            for (size_t j = t->offset; j < t->offset + t->count; j++) {
                largest = fmax(largest, fabs((double)w[j]));
                furthest = fmax(furthest, fabs((double)w[j] - (double)f->w[j]));
            }
            by_tensor[k] = fmax(by_tensor[k], FEW * furthest / largest);
        }
    }
}

static void test_training(void **state)
{
    const fixture *f = fixture_of(state);
    double got[STEPS], by_step[STEPS], by_tensor[MAX_TENSORS];
    float *w = guarded_new(f->m->n_weights * sizeof *w);
    float *losses = read_floats(f, "/sgd/loss", SGD_STEPS);
    float *share = read_floats(f, "/sgd/test_accuracy", 1);
    for (int k = 0; k < STEPS; k++)
        by_step[k] = k < SGD_STEPS / 2 ? SOME_STEPS : MANY_STEPS;
    for (int k = 0; k < MAX_TENSORS; k++)
        by_tensor[k] = MANY_STEPS;
    read_weights(f);
    train(f, got);
    memcpy(w, f->w, f->m->n_weights * sizeof *w);
    double hits = STEPS == SGD_STEPS ? accuracy(f) : 0.0;
    measure(f, got, w, by_step, by_tensor);
    for (int k = 0; k < STEPS; k++)
        if (!(fabs(got[k] - (double)losses[k]) <= by_step[k] * (double)losses[k]))
            fail_msg("step %d: loss %.7g, PyTorch's %.7g, tolerance %.1g", k, got[k],
                     (double)losses[k], by_step[k]);
    if (STEPS == SGD_STEPS) {
        compare_tensors(f, "/sgd/final", w, by_tensor);
        assert_true(fabs(hits - (double)*share) <= 0.01);
        print_message("loss after %d steps %.4f, PyTorch's %.4f; accuracy %.4f, %.4f\n", STEPS,
                      got[STEPS - 1], (double)losses[STEPS - 1], hits, (double)*share);
    }
    guarded_free(w);
    guarded_free(losses);
    guarded_free(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_pass),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
