/* The public library: what it refuses, weights in and out, and models that know nothing of each other. */
#include "networks.h"
#include "options/option.h"
#include "options/options.h"

#include <bramble.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { N = 40, STEPS = 3, GROWN = 13 };

static char folder[64];

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/bramble-api-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int finish(void **state)
{
    (void)state;
    char line[100];
    snprintf(line, sizeof line, "rm -r %s", folder);
    return system(line);
}

static const char *place(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
    return path;
}

static bramble_model *made(const char *text, uint64_t seed)
{
    char path[128];
    bramble_error err;
    FILE *file = fopen(place(path, "model.ini"), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    bramble_model *m = bramble_new(path, seed, &err);
    if (!m)
        fail_msg("%s", err.text);
    assert_int_equal(err.kind, 0);
    assert_string_equal(err.text, "");
    return m;
}

static void refuse(bool good, const bramble_error *err, const char *told)
{
    assert_false(good);
    assert_int_equal(err->kind, 2);
    if (!strstr(err->text, told))
        fail_msg("\"%s\" instead of \"%s\"", err->text, told);
}

static size_t image_size(const bramble_model *m)
{
    return (size_t)bramble_channels(m) * (size_t)bramble_height(m) * (size_t)bramble_width(m);
}

static uint8_t *pictures_of(const bramble_model *m, size_t n, uint16_t *labels)
{
    uint8_t *pixels = malloc(n * image_size(m));
    for (size_t k = 0; k < n * image_size(m); k++)
        pixels[k] = (uint8_t)draw(0, 255);
    for (size_t k = 0; k < n; k++)
        labels[k] = (uint16_t)draw(0, bramble_classes(m) - 1);
    return pixels;
}

/* ---- settings ------------------------------------------------------------------------------------ */

/* Those that options have, too: the same bounds and first values. */
static void test_settings_are_the_options(void **state)
{
    (void)state;
    static const char *const own[] = {"threads", "seed", "epoch", "rate"};
    bramble_model *m = made(SMALL, 1);
    train_options *o = malloc(sizeof *o);
    error err = {0};
    assert_true(option_set_defaults(option_train_table, o, &err));
    int n = 0;
    for (const option_entry *e = option_train_table; e->name; e++) {
        double value = bramble_get(m, e->name);
        bool is_own = false;
        for (int k = 0; k < COUNT(own); k++)
            is_own = is_own || strcmp(e->name, own[k]) == 0;
        if (isnan(value) || is_own)
            continue;
        const void *field = (const char *)o + e->offset;
        double low = e->type == OPTION_FLAG ? 0.0 : e->low,
               high = e->type == OPTION_FLAG ? 1.0 : e->high;
        assert_true(value == (e->type == OPTION_FLAG ? (double)*(const bool *)field
                                                     : *(const double *)field));
        assert_true(bramble_set(m, e->name, low, NULL) && bramble_get(m, e->name) == low);
        assert_true(bramble_set(m, e->name, high, NULL) && bramble_get(m, e->name) == high);
        assert_false(bramble_set(m, e->name, nextafter(high, INFINITY), NULL));
        assert_false(bramble_set(m, e->name, nextafter(low, -INFINITY), NULL));
        n++;
    }
    assert_int_equal(n, 13);
    free(o);
    bramble_free(m);
}

static void test_settings_refused(void **state)
{
    (void)state;
    bramble_error err;
    bramble_model *m = made(SMALL, 1);
    refuse(bramble_set(m, "learning", 1.0, &err), &err, "learning: there is no such setting");
    refuse(bramble_set(m, "lr", NAN, &err), &err, "lr nan: expected a number from 0 to 1000");
    refuse(bramble_set(m, "threads", 1.5, &err), &err,
           "threads 1.5: expected a whole number from 1 to 1024");
    refuse(bramble_set(m, "threads", 0.0, &err), &err, "threads 0");
    refuse(bramble_set_optimizer(m, "adam", &err), &err,
           "optimizer adam: expected sgd, adamw, muon");
    assert_true(isnan(bramble_get(m, "learning")) && bramble_get(m, "lr") == 0.001 &&
                bramble_get(m, "threads") == 1.0);
    bramble_free(m);
}

/* ---- what is refused ----------------------------------------------------------------------------- */

static void test_files_refused(void **state)
{
    (void)state;
    char path[128], other[128];
    bramble_error err;
    refuse(bramble_new("/nowhere/a.ini", 1, &err), &err, "/nowhere/a.ini");
    refuse(bramble_load("/nowhere/a.h5", &err), &err, "/nowhere/a.h5: cannot be opened");
    bramble_model *m = made(SMALL, 1);
    refuse(bramble_load(place(path, "model.ini"), &err), &err, "is no HDF5 file");
    refuse(bramble_read_weights(m, path, &err), &err, "is no HDF5 file");
    refuse(bramble_save(m, path, false, &err), &err,
           "model.ini: exists, and is not to be replaced");
    refuse(bramble_save(m, "/nowhere/a.h5", false, &err), &err, "choose another path");
    bramble_model *big = made(PAPER, 1);
    assert_true(bramble_save(big, place(other, "big.h5"), false, NULL));
    refuse(bramble_read_weights(m, other, &err), &err, "big.h5");
    refuse(bramble_set_normalisation(m, "measured", &err), &err, "nothing is measured here");
    refuse(bramble_set_normalisation(m, "1,2", &err), &err, "normalisation 1,2: expected half");
    refuse(bramble_set_normalisation(m, "0.5/0.5", &err), &err, "numbers of 1 channel");
    assert_string_equal(bramble_normalisation(m), "half");
    bramble_free(m);
    bramble_free(big);
}

static void test_batches_refused(void **state)
{
    (void)state;
    bramble_error err;
    uint16_t labels[N];
    bramble_model *m =
        made("[model]\nname = t\ninput = 2 9 7\nclasses = 5\n[e]\nkind = dense\nunits = 3\n"
             "[b]\nkind = batchnorm\n[f]\nkind = dense\nunits = 5\n",
             1);
    uint8_t *pixels = pictures_of(m, N, labels);
    size_t n = bramble_weights(m);
    float *before = malloc(n * sizeof *before), *after = malloc(n * sizeof *after);
    bramble_get_weights(m, before);
    refuse(bramble_train(m, pixels, labels, 0, NULL, &err), &err, "a batch of 0 images");
    refuse(bramble_train(m, pixels, labels, BRAMBLE_MAX_BATCH + 1, NULL, &err), &err, "65537");
    refuse(bramble_train(m, pixels, labels, 1, NULL, &err), &err, "needs 2 at least");
    labels[7] = 5;
    refuse(bramble_train(m, pixels, labels, N, NULL, &err), &err, "label 5 of image 7");
    bramble_get_weights(m, after);
    assert_memory_equal(before, after, n * sizeof *before);
    free(pixels);
    free(before);
    free(after);
    bramble_free(m);
}

static void test_divergence_is_told(void **state)
{
    (void)state;
    char path[128];
    bramble_error err;
    uint16_t labels[N];
    bramble_step step;
    bramble_model *m = made(SMALL, 1);
    uint8_t *pixels = pictures_of(m, N, labels);
    size_t n = bramble_weights(m);
    float *w = malloc(n * sizeof *w);
    for (size_t k = 0; k < n; k++)
        w[k] = 1e30F;
    assert_true(bramble_set_weights(m, w, NULL));
    refuse(bramble_train(m, pixels, labels, N, &step, &err), &err, "the loss is not finite");
    assert_true(isnan(step.loss) || isinf(step.loss));
    free(w);
    refuse(bramble_save(m, place(path, "diverged.h5"), false, &err), &err, "is not finite");
    assert_int_not_equal(access(path, F_OK), 0);
    free(pixels);
    bramble_free(m);
}

/* ---- weights ------------------------------------------------------------------------------------- */

static void test_weights_by_name(void **state)
{
    (void)state;
    bramble_error err;
    bramble_tensor t;
    bramble_model *m = made(NORMS, 3);
    size_t n = bramble_weights(m), seen = 0;
    float *all = malloc(n * sizeof *all), one[5 * 6];
    for (size_t k = 0; bramble_tensor_at(m, k, &t); k++) {
        size_t count = 1;
        for (int i = 0; i < t.n_dims; i++)
            count *= t.dims[i];
        assert_int_equal(count, t.count);
        seen += t.count;
    }
    assert_int_equal(seen, n);
    assert_true(bramble_tensor_find(m, "f.weight", &t) && t.trained && t.count == COUNT(one));
    for (size_t k = 0; k < COUNT(one); k++)
        one[k] = (float)k;
    assert_true(bramble_set_tensor(m, "f.weight", one, COUNT(one), &err));
    bramble_get_weights(m, all);
    assert_memory_equal(all + t.offset, one, sizeof one);
    refuse(bramble_set_tensor(m, "f.weight", one, 7, &err), &err, "f.weight has 30 values, not 7");
    refuse(bramble_get_tensor(m, "g.weights", one, 7, &err), &err,
           "g.weights: model t has no such weights");
    one[4] = NAN;
    refuse(bramble_set_tensor(m, "f.weight", one, COUNT(one), &err), &err, "f.weight holds NaN");
    all[t.offset + 2] = INFINITY;
    refuse(bramble_set_weights(m, all, &err), &err,
           "f.weight holds an infinite number (element 2)");
    assert_true(bramble_get_tensor(m, "f.weight", one, COUNT(one), &err) && one[4] == 4.0F);
    assert_true(bramble_tensor_find(m, "b.running_var", &t) && !t.trained);
    free(all);
    bramble_free(m);
}

static void same(const bramble_model *a, const bramble_model *b)
{
    size_t n = bramble_weights(a);
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    assert_int_equal(n, bramble_weights(b));
    bramble_get_weights(a, x);
    bramble_get_weights(b, y);
    assert_memory_equal(x, y, n * sizeof *x);
    for (int k = 0; k < bramble_classes(a); k++)
        assert_string_equal(bramble_class_name(a, k), bramble_class_name(b, k));
    assert_string_equal(bramble_normalisation(a), bramble_normalisation(b));
    assert_string_equal(bramble_name(a), bramble_name(b));
    free(x);
    free(y);
}

static void test_saved_and_loaded(void **state)
{
    (void)state;
    static const char *const names[] = {"apple", "bear", "cat", "dog", "elk"};
    static const char *const bad[] = {"apple", "", "cat", "dog", "elk"};
    char path[128];
    bramble_error err;
    bramble_model *m = made(NORMS, 5), *other = made(NORMS, 6);
    assert_string_equal(bramble_class_name(m, 4), "4");
    assert_true(bramble_set_class_names(m, names, NULL));
    refuse(bramble_set_class_names(m, bad, &err), &err, "name of class 1");
    assert_null(bramble_class_name(m, 5));
    assert_null(bramble_class_name(m, -1));
    assert_true(bramble_set_normalisation(m, "0.25,0.5/0.125,2", NULL));
    assert_true(bramble_save(m, place(path, "saved.h5"), false, &err));
    assert_false(bramble_save(m, path, false, NULL));
    assert_true(bramble_save(m, path, true, NULL));
    bramble_model *loaded = bramble_load(path, &err), *copy = bramble_copy(m, &err);
    assert_non_null(loaded);
    same(m, loaded);
    same(m, copy);
    assert_true(bramble_read_weights(other, path, &err));
    assert_true(bramble_set_class_names(other, names, NULL));
    same(m, other);
    bramble_free(m);
    bramble_free(loaded);
    bramble_free(copy);
    bramble_free(other);
    bramble_free(NULL);
}

/* ---- bits ---------------------------------------------------------------------------------------- */

/* What a model comes to on its own, with its own images. */
typedef struct life {
    const char *text, *rule;
    double threads;
    uint8_t *pixels;
    uint16_t labels[N];
    float *w, *shares;
    char path[128];
} life;

static void live(life *self, uint64_t seed)
{
    bramble_error err = {0};
    char text[128];
    FILE *file = fopen(self->path, "w");
    fputs(self->text, file);
    fclose(file);
    bramble_model *m = bramble_new(self->path, seed, &err);
    bool good = m && bramble_set_optimizer(m, self->rule, &err) &&
                bramble_set(m, "threads", self->threads, &err) && bramble_set(m, "lr", 0.01, &err);
    for (size_t k = 0; good && k < STEPS; k++)
        good = bramble_train(m, self->pixels, self->labels, k == 1 ? GROWN : N, NULL, &err);
    snprintf(text, sizeof text, "%.100s.h5", self->path);
    if (good && bramble_save(m, text, true, &err)) {
        bramble_free(m);
        m = bramble_load(text, &err);
    }
    if (m && err.kind == 0 && bramble_set(m, "threads", self->threads, &err))
        (void)bramble_predict(m, self->pixels, N, self->shares, &err);
    if (m && err.kind == 0)
        bramble_get_weights(m, self->w);
    else
        fprintf(stderr, "%s\n", err.text);
    bramble_free(m);
}

static void *live_in_thread(void *arg)
{
    live(arg, 4);
    return NULL;
}

static life life_of(const char *text, const char *rule, double threads, const char *name)
{
    life self = {.text = text, .rule = rule, .threads = threads};
    bramble_model *m = made(text, 1);
    self.pixels = pictures_of(m, N, self.labels);
    self.w = calloc(bramble_weights(m), sizeof *self.w);
    self.shares = calloc(N * (size_t)bramble_classes(m), sizeof *self.shares);
    place(self.path, name);
    bramble_free(m);
    return self;
}

static void life_check(const life *self, const life *as)
{
    bramble_model *m = made(self->text, 1);
    assert_memory_equal(self->w, as->w, bramble_weights(m) * sizeof *self->w);
    for (int k = 0; k < N * bramble_classes(m); k++)
        assert_true(self->shares[k] == as->shares[k]);
    double sum = 0.0;
    for (int c = 0; c < bramble_classes(m); c++)
        sum += (double)self->shares[c];
    assert_true(fabs(sum - 1.0) < 1e-6);
    bramble_free(m);
}

/* Two in two threads at once, each with a team of its own, and again: the bits of each alone. */
static void test_two_at_once(void **state)
{
    (void)state;
    life alone[2] = {life_of(MIXED, "muon", 1, "a"), life_of(NORMS, "adamw", 1, "b")};
    life beside[2] = {life_of(MIXED, "muon", 2, "c"), life_of(NORMS, "adamw", 3, "d")};
    for (int k = 0; k < 2; k++) {
        size_t n = 2 * 9 * 7; /* of both */
        memcpy(beside[k].pixels, alone[k].pixels, N * n);
        memcpy(beside[k].labels, alone[k].labels, sizeof alone[k].labels);
        live(&alone[k], 4);
    }
    for (int repeat = 0; repeat < 5; repeat++) {
        pthread_t threads[2];
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_create(&threads[k], NULL, live_in_thread, &beside[k]), 0);
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_join(threads[k], NULL), 0);
        for (int k = 0; k < 2; k++)
            life_check(&beside[k], &alone[k]);
    }
    for (int k = 0; k < 2; k++) {
        life *const all[] = {&alone[k], &beside[k]};
        for (int j = 0; j < 2; j++) {
            free(all[j]->pixels);
            free(all[j]->w);
            free(all[j]->shares);
        }
    }
}

/* An image's outputs do not depend on those beside it, nor on how many there are. */
static void test_any_number_of_images(void **state)
{
    (void)state;
    enum { MANY = 150 };
    uint16_t labels[MANY];
    bramble_model *m = made(NORMS, 2);
    size_t n_classes = (size_t)bramble_classes(m);
    uint8_t *pixels = pictures_of(m, MANY, labels);
    float *all = malloc(MANY * n_classes * sizeof *all),
          *some = malloc(MANY * n_classes * sizeof *some);
    assert_true(bramble_logits(m, pixels, MANY, all, NULL));
    static const size_t sizes[] = {1, 3, 17, 64, 65, 149};
    for (int k = 0; k < COUNT(sizes); k++)
        for (double threads = 1.0; threads <= 2.0; threads++) {
            assert_true(bramble_set(m, "threads", threads, NULL));
            assert_true(bramble_logits(m, pixels + image_size(m), sizes[k], some, NULL));
            assert_memory_equal(some, all + n_classes, sizes[k] * n_classes * sizeof *all);
        }
    free(pixels);
    free(all);
    free(some);
    bramble_free(m);
}

/* Chance is a function of seed, epoch and an image's number, which counts on from step to step. */
static void test_dropout_goes_on(void **state)
{
    (void)state;
    uint16_t labels[N];
    bramble_step first, second, again;
    bramble_model *m = made(MIXED, 2), *other = bramble_copy(m, NULL);
    uint8_t *pixels = pictures_of(m, N, labels);
    assert_true(bramble_set(m, "lr", 0.0, NULL) && bramble_set(other, "lr", 0.0, NULL));
    assert_true(bramble_train(m, pixels, labels, N, &first, NULL));
    assert_true(bramble_train(m, pixels, labels, N, &second, NULL));
    assert_true(first.loss != second.loss);
    assert_true(bramble_set(m, "epoch", 0.0, NULL));
    assert_true(bramble_train(m, pixels, labels, N, &again, NULL) && again.loss == first.loss);
    assert_true(bramble_set(m, "epoch", 1.0, NULL));
    assert_true(bramble_train(m, pixels, labels, N, &again, NULL) && again.loss != first.loss);
    assert_true(bramble_set(other, "seed", 9.0, NULL));
    assert_true(bramble_train(other, pixels, labels, N, &again, NULL) && again.loss != first.loss);
    free(pixels);
    bramble_free(m);
    bramble_free(other);
}

static void test_learns(void **state)
{
    (void)state;
    static const char *const rules[] = {"sgd", "adamw", "muon"};
    uint16_t labels[N];
    for (int r = 0; r < COUNT(rules); r++) {
        bramble_step first, last;
        bramble_model *m = made(SMALL, 2);
        uint8_t *pixels = pictures_of(m, N, labels);
        assert_true(bramble_set_optimizer(m, rules[r], NULL) && bramble_set(m, "lr", 0.01, NULL));
        assert_true(bramble_train(m, pixels, labels, N, &first, NULL));
        for (int k = 0; k < 300; k++)
            assert_true(bramble_train(m, pixels, labels, N, &last, NULL));

        assert_true(last.loss < 0.7 * first.loss && last.accuracy > first.accuracy);
        free(pixels);
        bramble_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_the_options),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_files_refused),
        cmocka_unit_test(test_batches_refused),
        cmocka_unit_test(test_divergence_is_told),
        cmocka_unit_test(test_weights_by_name),
        cmocka_unit_test(test_saved_and_loaded),
        cmocka_unit_test(test_two_at_once),
        cmocka_unit_test(test_any_number_of_images),
        cmocka_unit_test(test_dropout_goes_on),
        cmocka_unit_test(test_learns),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
