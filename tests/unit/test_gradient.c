/* Gradients of every kind of layer, alone and in chains, against central differences. */
#include "alone.h"
#include "mean_loss.h"

/* ---- layers alone ------------------------------------------------------------------------------- */

static void set(layer *l, const char *name, long value)
{
    char text[LAYER_SETTING_BYTES];
    snprintf(text, sizeof text, "%ld", value);
    alone_set(l, name, text);
}

static void test_dense_alone(void **state)
{
    (void)state;
    static const int shapes[][4] = {{1, 1, 1, 1}, {2, 3, 2, 7}, {17, 1, 1, 5}, {3, 2, 2, 13}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("dense"),
                   .name = "f",
                   .in = {{shapes[k][0], shapes[k][1], shapes[k][2]}}};
        set(&l, "units", shapes[k][3]);
        if (k % 2)
            alone_set(&l, "bias", "no");
        check_alone(&l, 11, 1 + k);
    }
}

static void test_conv_alone(void **state)
{
    (void)state;
    /* filters, kernel, stride, padding on 3 x 7 x 6 */
    static const long shapes[][4] = {{2, 1, 1, 0}, {4, 3, 1, 0}, {5, 3, 1, 1}, {3, 3, 2, 0},
                                     {3, 3, 2, 2}, {2, 5, 3, 4}, {1, 6, 1, 0}, {7, 2, 4, 1}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{3, 7, 6}}};
        set(&l, "filters", shapes[k][0]);
        set(&l, "kernel", shapes[k][1]);
        set(&l, "stride", shapes[k][2]);
        set(&l, "padding", shapes[k][3]);
        check_alone(&l, 11, 1 + k % 4);
    }
}

/* Groups, dilation, zeros as many as keep the side, no bias. */
static void test_conv_forms_alone(void **state)
{
    (void)state;
    /* filters, kernel, stride, groups, dilation on 6 x 8 x 7; padding -1: same */
    static const long shapes[][6] = {{4, 3, 1, 1, 1, -1}, {4, 4, 2, 1, 1, -1}, {6, 3, 1, 6, 1, 1},
                                     {6, 3, 2, 6, 1, -1}, {6, 5, 1, 6, 2, -1}, {4, 2, 2, 2, 1, 1},
                                     {9, 3, 1, 3, 1, 0},  {5, 3, 1, 1, 2, 2},  {12, 3, 3, 6, 2, 4}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{6, 8, 7}}};
        set(&l, "filters", shapes[k][0]);
        set(&l, "kernel", shapes[k][1]);
        set(&l, "stride", shapes[k][2]);
        set(&l, "groups", shapes[k][3]);
        set(&l, "dilation", shapes[k][4]);
        if (shapes[k][5] < 0)
            alone_set(&l, "padding", "same");
        else
            set(&l, "padding", shapes[k][5]);
        if (k % 2)
            alone_set(&l, "bias", "no");
        check_alone(&l, 11, 1 + k % 4);
    }
}

static void test_maxpool_alone(void **state)
{
    (void)state;
    static const long shapes[][2] = {{2, 2}, {2, 1}, {3, 2}, {2, 3}, {1, 2}, {5, 1}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int absorbing = 0; absorbing < 2; absorbing++) {
            layer relu = {.kind = layer_kind_find("relu")};
            layer l = {.kind = layer_kind_find("maxpool"), .name = "p", .in = {{3, 7, 6}}};
            set(&l, "window", shapes[k][0]);
            set(&l, "stride", shapes[k][1]);
            if (absorbing)
                assert_true(l.kind->absorb(&l, &relu));
            check_alone(&l, 11, 1 + k % 4);
        }
}

static void test_relu_alone(void **state)
{
    (void)state;
    layer l = {.kind = layer_kind_find("relu"), .name = "r", .in = {{3, 7, 6}}};
    for (int n_threads = 1; n_threads <= 4; n_threads++)
        check_alone(&l, 11, n_threads);
}

static void test_pooling_alone(void **state)
{
    (void)state;
    static const char *const kinds[] = {"maxpool", "avgpool"};
    static const long shapes[][3] = {{2, 2, 0}, {2, 2, 1}, {3, 1, 1},
                                     {3, 2, 1}, {5, 3, 2}, {5, 1, 0}};
    for (int k = 0; k < COUNT(shapes); k++)
        for (int j = 0; j < COUNT(kinds); j++) {
            layer l = {.kind = layer_kind_find(kinds[j]), .name = "p", .in = {{3, 7, 6}}};
            set(&l, "window", shapes[k][0]);
            set(&l, "stride", shapes[k][1]);
            set(&l, "padding", shapes[k][2]);
            check_alone(&l, 11, 1 + k % 4);
        }
    layer l = {.kind = layer_kind_find("globalpool"), .name = "p", .in = {{3, 7, 6}}};
    check_alone(&l, 11, 3);
}

static void test_norms_alone(void **state)
{
    (void)state;
    static const layer_shape shapes[] = {{6, 3, 5}, {4, 1, 2}, {2, 4, 4}};
    for (int k = 0; k < COUNT(shapes); k++) {
        layer group = {.kind = layer_kind_find("groupnorm"), .name = "n", .in = {shapes[k]}};
        layer pixel = {.kind = layer_kind_find("layernorm"), .name = "n", .in = {shapes[k]}};
        set(&group, "groups", 2);
        check_alone(&group, 11, 1 + k);
        check_alone(&pixel, 11, 1 + k);
    }
}

/* ---- chains: the function is the mean loss ------------------------------------------------------ */

#define HEAD(shape, classes) "[model]\nname = t\ninput = " shape "\nclasses = " classes "\n"
#define CONV(name, settings) "[" name "]\nkind = conv\n" settings "\n"
#define POOL(name, settings) "[" name "]\nkind = maxpool\n" settings "\n"
#define RELU(name) "[" name "]\nkind = relu\n"
#define NORM(name, what, settings) "[" name "]\nkind = " what "\n" settings "\n"
#define DENSE(name, units) "[" name "]\nkind = dense\nunits = " units "\n"

static void check_chain(const char *text)
{
    draw_anew(); /* how much such a check sees depends on the numbers */
    model *m = model_of(text);
    check_mean_loss(m, text);
    model_free(m);
}

static void test_chains(void **state)
{
    (void)state;
    static const char *const chains[] = {
        HEAD("2 3 1", "3") DENSE("f", "3"),
        HEAD("2 3 3", "4") DENSE("e", "9") RELU("r") DENSE("f", "4"),
        HEAD("2 6 5", "2") CONV("c", "filters=3\nkernel=3") RELU("r") DENSE("f", "2"),
        /* ReLU absorbed; not absorbed, behind the pooling; pooling that overlaps, pooling with gaps */
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3") RELU("r") POOL("p", "window=2")
            DENSE("f", "3"),
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3") POOL("p", "window=2") RELU("r")
            DENSE("f", "3"),
        HEAD("1 8 8", "3") CONV("c", "filters=2\nkernel=2\npadding=1") RELU("r")
            POOL("p", "window=3\nstride=2") CONV("d", "filters=3\nkernel=2") RELU("s")
                DENSE("f", "3"),
        HEAD("2 9 8", "2") CONV("c", "filters=4\nkernel=3\nstride=2\npadding=1") RELU("r")
            CONV("d", "filters=3\nkernel=3\nstride=2\npadding=2") RELU("s")
                POOL("p", "window=1\nstride=2") DENSE("f", "2"),
        HEAD("1 9 9", "2") CONV("c", "filters=2\nkernel=5\nstride=3\npadding=4")
            CONV("d", "filters=5\nkernel=1") RELU("r") RELU("s") DENSE("f", "2"),
        /* first layers without weights; no dense layer at all */
        HEAD("2 6 6", "3") RELU("r") POOL("p", "window=2\nstride=1")
            CONV("c", "filters=2\nkernel=3") DENSE("f", "3"),
        HEAD("2 7 6", "3") CONV("c", "filters=4\nkernel=3\nbias=no\npadding=same") RELU("r")
            CONV("d", "filters=4\nkernel=3\ngroups=4\ndilation=2\npadding=same") RELU("s")
                CONV("e", "filters=6\nkernel=3\nstride=2\ngroups=2\nbias=no") POOL("p", "window=2")
                    DENSE("f", "3\nbias=no"),
        HEAD("3 6 6", "4") CONV("c", "filters=3\nkernel=3\npadding=2") RELU("r")
            POOL("p", "window=2") CONV("d", "filters=4\nkernel=4"),
        /* Winograd's, alone and beside the direct method */
        HEAD("2 7 6", "3") CONV("c", "filters=3\nkernel=3\npadding=1\nalgorithm=f2") RELU("r")
            CONV("d", "filters=4\nkernel=3\nalgorithm=f2") DENSE("f", "3"),
        HEAD("2 9 10", "3") CONV("c", "filters=3\nkernel=3\npadding=2\nalgorithm=f4") RELU("r")
            POOL("p", "window=2") CONV("d", "filters=4\nkernel=3\nalgorithm=direct") RELU("s")
                CONV("e", "filters=3\nkernel=3\npadding=1\nalgorithm=f4") DENSE("f", "3"),
        HEAD("2 9 8", "3") CONV("c", "filters=3\nkernel=5\npadding=same\nalgorithm=f2") RELU("r")
            CONV("d", "filters=4\nkernel=5\nalgorithm=f2") DENSE("f", "3"),
        /* batch norm, its ReLU its own or taken over; without weights; of single values; the other norms */
        HEAD("2 6 5", "3") CONV("c", "filters=3\nkernel=3") NORM("b", "batchnorm", "") RELU("r")
            DENSE("f", "3"),
        HEAD("2 6 5", "3") CONV("c", "filters=3\nkernel=3\npadding=1")
            NORM("b", "batchnorm", "scale=no\nbias=no\neps=0.1")
                POOL("p", "window=3\nstride=2\npadding=1") CONV("d", "filters=4\nkernel=3")
                    NORM("e", "batchnorm", "scale=no") RELU("s") DENSE("f", "3"),
        HEAD("2 4 4", "3") DENSE("e", "5") NORM("b", "batchnorm", "") RELU("r") DENSE("f", "3"),
        HEAD("2 6 6", "3") CONV("c", "filters=4\nkernel=3") NORM("g", "groupnorm", "groups=2")
            RELU("r") NORM("p", "avgpool", "window=2\nstride=1") CONV("d", "filters=6\nkernel=2")
                NORM("l", "layernorm", "") RELU("s") NORM("q", "globalpool", "") DENSE("f", "3"),
    };
    for (int k = 0; k < COUNT(chains); k++)
        check_chain(chains[k]);
}

/* The check itself is checked: a small error is refused. */
static void test_check_can_fail(void **state)
{
    (void)state;
    alone a;
    layer l = {.kind = layer_kind_find("conv"), .name = "c", .in = {{2, 4, 4}}};
    set(&l, "filters", 2);
    set(&l, "kernel", 3);
    alone_new(&a, &l, 11);
    team_run(1, alone_both, &a);
    function f = {alone_value, &a, a.w, a.l.n_trained, a.g, "", 0, 0};
    for (size_t k = 0; k < f.n; k++) {
        double direction[38] = {0};
        direction[k] = 1.0;
        assert_true(agrees(compare(&f, direction)));
        a.g[k] += 0.01F; /* of elements about 3 in size */
        assert_false(agrees(compare(&f, direction)));
    }
    alone_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_alone),      cmocka_unit_test(test_conv_alone),
        cmocka_unit_test(test_conv_forms_alone), cmocka_unit_test(test_maxpool_alone),
        cmocka_unit_test(test_relu_alone),       cmocka_unit_test(test_pooling_alone),
        cmocka_unit_test(test_norms_alone),      cmocka_unit_test(test_chains),
        cmocka_unit_test(test_check_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
