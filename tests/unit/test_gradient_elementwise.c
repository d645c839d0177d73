/* Gradients of sums, products, activations, halves, scales and dropout against central differences: alone, and in nets. */
#include "alone.h"
#include "mean_loss.h"

/* ---- alone -------------------------------------------------------------------------------------- */

static const layer_shape shapes[] = {{4, 7, 5}, {2, 1, 1}, {6, 3, 3}, {2, 4, 1}};

static void check_kind(const char *kind, const char *name, const char *value)
{
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find(kind), .name = "l", .n_inputs = 1, .in = {shapes[k]}};
        l.number = 5;
        if (name)
            alone_set(&l, name, value);
        check_alone(&l, k % 2 ? 11 : 2 * VEC_WIDTH + 3, 1 + k);
    }
}

static void test_activations(void **state)
{
    (void)state;
    check_kind("gelu", NULL, NULL);
    check_kind("gelu", "form", "erf");
    check_kind("gelu", "form", "tanh");
    check_kind("silu", NULL, NULL);
    check_kind("tanh", NULL, NULL);
}

static void test_weights_of_channels(void **state)
{
    (void)state;
    check_kind("prelu", NULL, NULL);
    check_kind("prelu", "slopes", "channels");
    check_kind("scale", NULL, NULL);
    check_kind("scale", "factor", "-0.75");
}

static void test_halves(void **state)
{
    (void)state;
    check_kind("split", "half", "first");
    check_kind("split", "half", "second");
}

static void test_dropout(void **state)
{
    (void)state;
    check_kind("dropout", NULL, NULL);
    check_kind("dropout", "p", "0.2");
    check_kind("dropout", "p", "0");
}

/* Without training dropout does nothing. */
static void test_dropout_at_rest(void **state)
{
    (void)state;
    alone a;
    layer l = {.kind = layer_kind_find("dropout"), .name = "l", .in = {{3, 5, 4}}};
    alone_new(&a, &l, 11);
    a.pass.training = false;
    team_run(3, alone_forward, &a);
    assert_memory_equal(a.out, a.in, a.pass.n_blocks * 60 * sizeof(vec));
    alone_free(&a);
}

/* ---- nets --------------------------------------------------------------------------------------- */

#define HEAD "[model]\nname = t\ninput = 2 5 4\nclasses = 3\n"
#define CONV(name, from, filters)                                                                  \
    "[" name "]\nkind = conv\ninput = " from "\nfilters = " filters "\nkernel = 3\npadding = 1\n"
#define KIND(name, kind, from) "[" name "]\nkind = " kind "\ninput = " from "\n"
#define DENSE "[f]\nkind = dense\nunits = 3\n"

static const char *const nets[] = {
    /* residual, with a ReLU absorbed; three and four inputs; of the images, too */
    HEAD CONV("a", "image", "4") KIND("r", "relu", "a") CONV("b", "r", "4") KIND("s", "add", "b, r")
        KIND("t", "relu", "s") DENSE,
    HEAD CONV("a", "image", "2") CONV("b", "a", "2") CONV("c", "b", "2")
        KIND("s", "add", "c, image, a, b") KIND("t", "tanh", "s") KIND("u", "add", "t, s, b")
            KIND("v", "relu", "u") DENSE,
    HEAD CONV("a", "image", "3") CONV("b", "image", "3") KIND("s", "add", "a, b")
        KIND("t", "relu", "s") KIND("u", "add", "t, a") DENSE,
    /* a gate from halves, read by more than one; a product of what others need */
    HEAD CONV("a", "image", "6") KIND("l", "split", "a") "half = first\n" KIND(
        "r", "split", "a") "half = second\n" KIND("t", "silu", "l") KIND("m", "multiply", "t, r")
        DENSE,
    HEAD CONV("a", "image", "2") KIND("t", "tanh", "a") KIND("m", "multiply", "image, t")
        KIND("n", "multiply", "m, t") KIND("s", "add", "n, m") DENSE,
    /* branches put together again, of different widths, and one of them twice */
    HEAD CONV("a", "image", "3") CONV("b", "image", "1") KIND("g", "gelu", "a")
        KIND("c", "concat", "g, b, image")
            KIND("p", "prelu", "c") "slopes = channels\n" KIND("d", "concat", "p, b, c, a")
                CONV("e", "d", "2") DENSE,
    /* scaled residuals, as in the tiniest nets; fixed factors, also of the last layer */
    HEAD CONV("a", "image", "4") KIND("q", "scale", "a") CONV("b", "a", "4") KIND("s", "add",
                                                                                  "b, q")
        KIND("g", "gelu", "s") "form = tanh\n" DENSE KIND("z", "scale", "f") "factor = 0.3333333\n",
    /* dropout of planes and of units */
    HEAD CONV("a", "image", "4") KIND("x", "dropout", "a") "p = 0.25\n" KIND("r", "relu", "x")
        CONV("b", "r", "4") KIND("s", "add", "b, x")
            KIND("p", "prelu", "s") "[e]\nkind = dense\nunits = 9\n" KIND("y", "dropout", "e")
                DENSE,
};

static void test_nets(void **state)
{
    (void)state;
    for (int k = 0; k < COUNT(nets); k++) {
        draw_anew();
        model *m = model_of(nets[k]);
        check_mean_loss(m, nets[k]);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),     cmocka_unit_test(test_weights_of_channels),
        cmocka_unit_test(test_halves),          cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_dropout_at_rest), cmocka_unit_test(test_nets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
