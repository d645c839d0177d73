/* What weights begin with: spread, filters that hand on their channel, filters that whiten images. */
#include "networks.h"

static const tensor *tensor_of(const model *m, const char *name)
{
    for (int k = 0; k < m->n_tensors; k++)
        if (strcmp(m->tensors[k].name, name) == 0)
            return &m->tensors[k];
    fail_msg("no %s", name);
    return NULL;
}

static void test_he(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double variance;
    } want[] = {{"c.weight", 2.0 / (16 * 9)}, {"d.weight", 2.0 / (4 * 9)}, {"f.weight", 2.0 / 784}};
    model *m =
        model_of("[model]\nname = t\ninput = 16 7 7\nclasses = 20\n"
                 "[c]\nkind = conv\nfilters = 16\nkernel = 3\npadding = 1\ninit = he\n"
                 "[d]\nkind = conv\nfilters = 16\nkernel = 3\npadding = 1\ngroups = 4\ninit = he\n"
                 "[f]\nkind = dense\nunits = 20\ninit = he\n");
    float *w = weights_new(m);
    for (int k = 0; k < COUNT(want); k++) {
        const tensor *t = tensor_of(m, want[k].name);
        double sum = 0.0, squares = 0.0, n = (double)t->count;
        for (size_t j = 0; j < t->count; j++) {
            sum += (double)w[t->offset + j];
            squares += pow((double)w[t->offset + j], 2.0);
        }
        /* within 5 deviations of both estimates */
        assert_true(fabs(sum / n) < 5.0 * sqrt(want[k].variance / n));
        assert_true(fabs(squares / n / want[k].variance - 1.0) < 5.0 * sqrt(2.0 / n));
        t++;
        for (size_t j = 0; j < t->count; j++)
            assert_true(w[t->offset + j] == 0.0F);
    }
    guarded_free(w);
    model_free(m);
}

static void check_dirac(int in, int filters, int groups, int kernel)
{
    char text[300];
    snprintf(text, sizeof text,
             "[model]\nname = t\ninput = %d 4 4\nclasses = 2\n[c]\nkind = conv\nfilters = %d\n"
             "kernel = %d\ngroups = %d\ninit = dirac\n[f]\nkind = dense\nunits = 2\n",
             in, filters, kernel, groups);
    model *m = model_of(text);
    float *w = weights_new(m);
    int n_in = in / groups, n_out = filters / groups, taps = kernel * kernel;
    for (int o = 0; o < filters; o++)
        for (int k = 0; k < n_in * taps; k++) {
            bool centre = k == o % n_out * taps + kernel / 2 * (kernel + 1);
            float got = w[o * n_in * taps + k];
            if (o % n_out < n_in)
                assert_true(got == (centre ? 1.0F : 0.0F));
            else
                assert_true(got != 0.0F && fabsf(got) < 1.0F);
        }
    guarded_free(w);
    model_free(m);
}

static void test_dirac(void **state)
{
    (void)state;
    check_dirac(3, 3, 1, 3);
    check_dirac(2, 5, 1, 3);
    check_dirac(5, 2, 1, 4);
    check_dirac(4, 6, 2, 3);
    check_dirac(3, 3, 3, 1);
}

/* ---- whitening ----------------------------------------------------------------------------------- */

enum { CHANNELS = 3, HEIGHT = 9, WIDTH = 7, N_IMAGES = 60 };

/* Neighbours and channels that have much in common. */
static bool read_image(void *arg, size_t k, float *x, error *err)
{
    const float *noise = arg;
    (void)err;
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < HEIGHT * WIDTH; p++) {
            const float *at = noise + (k * HEIGHT * WIDTH + (size_t)p) * 2;
            x[c * HEIGHT * WIDTH + p] = at[0] + 0.5F * at[2] + 0.2F * (float)c * at[1];
        }
    return true;
}

/* Mean over all patches of the product of what filters a and b make of them. */
static double moment(const model_images *from, const float *a, const float *b, int kernel)
{
    float image[CHANNELS * HEIGHT * WIDTH];
    double sum = 0.0, n = 0.0;
    for (size_t k = 0; k < from->n; k++) {
        read_image(from->arg, k, image, NULL);
        for (int y = 0; y + kernel <= HEIGHT; y++)
            for (int x = 0; x + kernel <= WIDTH; x++, n += 1.0) {
                double u = 0.0, v = 0.0;
                for (int j = 0; j < CHANNELS * kernel * kernel; j++) {
                    int c = j / (kernel * kernel), ky = j / kernel % kernel, kx = j % kernel;
                    double pixel = (double)image[(c * HEIGHT + y + ky) * WIDTH + x + kx];
                    u += (double)a[j] * pixel;
                    v += (double)b[j] * pixel;
                }
                sum += u * v;
            }
    }
    return sum / n;
}

static void check_whitening(int kernel, int filters)
{
    char text[300];
    int d = CHANNELS * kernel * kernel, half = filters / 2;
    snprintf(text, sizeof text,
             "[model]\nname = t\ninput = 3 9 7\nclasses = 2\n[c]\nkind = conv\nfilters = %d\n"
             "kernel = %d\ninit = whitening\ntrained = 3\n[f]\nkind = dense\nunits = 2\n",
             filters, kernel);
    model *m = model_of(text);
    float *w = weights_new(m), *noise = floats_new((N_IMAGES * HEIGHT * WIDTH + 1) * 2, REALS);
    const model_images from = {read_image, noise, N_IMAGES, HEIGHT, WIDTH};
    assert_true(model_wants_images(m) && model_init_images(m, w, &from, NULL));
    for (int i = 0; i < half; i++) {
        double norm = 0.0, next = 0.0;
        for (int k = 0; k < d; k++) {
            assert_true(w[(i + half) * d + k] == -w[i * d + k]);
            norm += pow((double)w[i * d + k], 2.0);
            next += i + 1 < half ? pow((double)w[(i + 1) * d + k], 2.0) : 0.0;
        }
        assert_true(i + 1 == half ||
                    next >= norm * (1.0 - 1e-6)); /* the largest eigenvalue first */
        /* |v|^2 = 1 / (l + e), and what it makes has the moment l / (l + e) */
        for (int j = 0; j <= i; j++) {
            double want = i == j ? 1.0 - 5e-4 * norm : 0.0;
            assert_true(fabs(moment(&from, w + i * d, w + j * d, kernel) - want) < 1e-4);
        }
    }
    assert_int_equal(m->tensors[0].training.epochs, 0);
    assert_int_equal(m->tensors[1].training.epochs, 3);
    guarded_free(w);
    guarded_free(noise);
    model_free(m);
}

static void test_whitening(void **state)
{
    (void)state;
    check_whitening(2, 24);
    check_whitening(1, 4);
    check_whitening(3, 20);
}

static bool refuse(void *arg, size_t k, float *x, error *err)
{
    (void)arg;
    x[0] = 0.0F;
    return k < 3 || error_environment(err, "image %zu", k);
}

/* What cannot be read ends it; images that are all alike leave finite filters. */
static void test_wrong_images(void **state)
{
    (void)state;
    model *m =
        model_of("[model]\nname = t\ninput = 3 9 7\nclasses = 2\n[c]\nkind = conv\n"
                 "filters = 24\nkernel = 2\ninit = whitening\n[f]\nkind = dense\nunits = 2\n");
    model *plain = model_of(SMALL);
    error err = {0};
    float *w = weights_new(m), *noise = floats_new((N_IMAGES * HEIGHT * WIDTH + 1) * 2, INTEGERS);
    const model_images bad = {refuse, NULL, 9, HEIGHT, WIDTH};
    assert_false(model_init_images(m, w, &bad, &err));
    assert_string_equal(err.text, "image 3");
    memset(noise, 0, sizeof(float) * (N_IMAGES * HEIGHT * WIDTH + 1) * 2);
    const model_images black = {read_image, noise, 2, HEIGHT, WIDTH};
    assert_true(model_init_images(m, w, &black, NULL));
    for (size_t k = 0; k < m->n_weights; k++)
        assert_true(isfinite(w[k]));
    assert_false(model_wants_images(plain));
    guarded_free(w);
    guarded_free(noise);
    model_free(m);
    model_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_he),
        cmocka_unit_test(test_dirac),
        cmocka_unit_test(test_whitening),
        cmocka_unit_test(test_wrong_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
