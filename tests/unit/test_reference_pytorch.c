/*
 * The paper's network against PyTorch's numbers, tests/data/pytorch.h5: made by tests/data/pytorch.py, which
 * tells what is in it.  (tests/system/test_reference.py does the same with the program.)
 */
#include "pytorch_file.h"

#include "base/ini.h"
#include "data/source.h"

/* Of a tensor's largest value.  PyTorch's own single precision, from starts one rounding apart, comes to
   2e-6 in the gradient and 7e-7 after a pass; longer training amplifies rounding a thousandfold. */
#define TOLERANCE 1e-5

enum { SET_SEED = 1, N_TRAIN = 640, N_TEST = 128, N_CLASSES = 10, MAX_BATCH = 128 };

typedef struct fixture {
    hid_t file;
    size_t batch;
    model *m;
    source *from;
    float *w, *g;
} fixture;

/* Where a batch comes from: the images of a split, from a given one on. */
typedef struct position {
    source *from;
    enum split part;
    size_t first;
} position;

static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    static uint8_t bytes[VEC_WIDTH * 3 * 32 * 32];
    const position *self = arg;
    error err = {0};
    assert_true(source_read(self->from, self->part, self->first + first, n, bytes, labels, &err));
    size_t pixels = sizeof bytes / VEC_WIDTH;
    memset(x, 0, sizeof(vec) * pixels);
    for (size_t lane = 0; lane < n; lane++)
        for (size_t k = 0; k < pixels; k++)
            x[k * VEC_WIDTH + lane] = ((float)bytes[lane * pixels + k] / 255.0F - 0.5F) / 0.5F;
}

/* ---- the file ------------------------------------------------------------------------------- */

/* A flat vector against the datasets of a group, one for each tensor: what is kept of it, and its norm. */
static void compare_tensors(const fixture *f, const char *group, const float *got)
{
    for (int k = 0; k < f->m->n_tensors; k++) {
        const tensor *t = &f->m->tensors[k];
        const float *x = got + t->offset;
        char path[200];
        snprintf(path, sizeof path, "%s/%s", group, t->name);
        size_t n_kept, stride = (t->count / 200 ? t->count / 200 : 1) | 1;
        float *kept = read_floats(f->file, path, &n_kept);
        double squares = 0.0, norm = read_number(f->file, path, "norm");
        double largest = read_number(f->file, path, "largest");
        assert_int_equal(n_kept, (t->count + stride - 1) / stride);
        for (size_t j = 0; j < n_kept; j++)
            assert_close(path, j, (double)x[j * stride], (double)kept[j], TOLERANCE * largest);
        for (size_t j = 0; j < t->count; j++)
            squares += (double)x[j] * (double)x[j];
        assert_close(path, t->count, sqrt(squares), norm, TOLERANCE * norm);
        guarded_free(kept);
    }
}

static int setup(void **state)
{
    static fixture f;
    error err = {0};
    f.file = H5Fopen("tests/data/pytorch.h5", H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f.file < 0)
        return -1; /* run from the project's folder */
    f.batch = (size_t)read_number(f.file, "/", "batch");
    assert_in_range(f.batch, 1, MAX_BATCH);
    char *text = ini_read_file("models/paper.ini", &err);
    f.m = text ? model_new("models/paper.ini", text, &err) : NULL;
    memory_free(text);
    f.from = source_open("synthetic:640", SET_SEED, &err);
    if (!f.m || !f.from)
        fail_msg("%s", err.text);
    f.w = guarded_new(f.m->n_weights * sizeof(float));
    f.g = guarded_new(f.m->n_weights * sizeof(float));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    float *const all[] = {f->w, f->g};
    for (int k = 0; k < COUNT(all); k++)
        guarded_free(all[k]);
    source_free(f->from);
    model_free(f->m);
    return H5Fclose(f->file) < 0;
}

static void start(const fixture *f)
{
    model_init(f->m, f->w, SET_SEED);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void test_first_weights(void **state)
{
    const fixture *f = *state;
    start(f);
    compare_tensors(f, "/init", f->w);
}

static void test_one_step(void **state)
{
    const fixture *f = *state;
    position from = {f->from, SPLIT_TRAIN, 0};
    network_input input = {.load = load, .arg = &from};
    network *net = network_of(f->m, f->batch, true, 1);
    double logits[MAX_BATCH * N_CLASSES];
    start(f);
    double loss = network_gradient(net, f->w, f->g, &input, f->batch).loss_sum / (double)f->batch;
    for (size_t k = 0; k < f->batch * N_CLASSES; k++)
        logits[k] = (double)network_logit(net, k / N_CLASSES, (int)(k % N_CLASSES));
    compare_numbers(f->file, "/step/loss", &loss, 1, TOLERANCE);
    compare_numbers(f->file, "/step/logits", logits, f->batch * N_CLASSES, TOLERANCE);
    compare_tensors(f, "/step/grad", f->g);
    network_free(net);
}

static double accuracy(const fixture *f)
{
    network *net = network_of(f->m, N_TEST, false, 1);
    position from = {f->from, SPLIT_TEST, 0};
    network_input input = {.load = load, .arg = &from};
    size_t n_correct = network_forward(net, f->w, &input, N_TEST).n_correct;
    network_free(net);
    return (double)n_correct / N_TEST;
}

static void test_training(void **state)
{
    const fixture *f = *state;
    optimizer by =
        optimizer_of("sgd",
                     (optimizer_settings){.lr = read_number(f->file, "/", "lr"),
                                          .momentum = read_number(f->file, "/", "momentum")},
                     f->m);
    const network_vectors at = {f->w, f->g};
    position from = {f->from, SPLIT_TRAIN, 0};
    network_input input = {.load = load, .arg = &from};
    network *net = network_of(f->m, f->batch, true, 1);
    double losses[N_TRAIN];
    size_t n_steps = N_TRAIN / f->batch;
    start(f);
    for (size_t k = 0; k < n_steps; k++) {
        from.first = k * f->batch;
        losses[k] = network_step(net, &at, &by, &input, f->batch).loss_sum / (double)f->batch;
    }
    network_free(net);
    optimizer_release(&by);
    double share = accuracy(f);
    compare_numbers(f->file, "/sgd/loss", losses, n_steps, TOLERANCE);
    compare_tensors(f, "/sgd/final", f->w);
    compare_numbers(f->file, "/sgd/test_accuracy", &share, 1, TOLERANCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_weights),
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_training),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
