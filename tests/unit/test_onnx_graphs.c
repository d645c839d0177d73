/* ONNX graphs made node by node: forms that exporters write, what is refused and how, bytes that are damaged. */
#include "onnx_net.h"

#include "exchange/onnx_file.h"

#define TEST(name) cmocka_unit_test(name)

typedef void make(proto_writer *graph);

/* The model file of a graph, or NULL with err; memory_free it. */
static char *text_of(make *how, int opset, error *err)
{
    proto_writer graph = {0};
    exchange_file read = {0};
    how(&graph);
    proto_writer file = file_of(&graph, opset);
    char *text = onnx_read(file.bytes, file.n, &read, err) ? read.text : NULL;
    if (text)
        read.text = NULL;
    exchange_file_release(&read);
    proto_release(&file);
    return text;
}

static void put_dense(proto_writer *graph)
{
    put_weights(graph, "fc.weight", 2, (const int[]){3, 72});
    size_t node = begin_node(graph, "Gemm", "flat fc.weight", "y");
    put_whole(graph, "transB", 1);
    proto_end(graph, node);
}

/* x -> flat -> y, 72 features to 3. */
static void flatten(proto_writer *graph, const char *from)
{
    put_node(graph, "Flatten", from, "flat");
}

/* ---- forms ------------------------------------------------------------------------------------- */

static void transpose_and_matmul(proto_writer *graph)
{
    flatten(graph, "x");
    put_weights(graph, "fc.weight", 2, (const int[]){3, 72});
    put_weights(graph, "fc.bias", 1, (const int[]){3});
    size_t node = begin_node(graph, "Transpose", "fc.weight", "turned");
    put_wholes(graph, "perm", true, 2, (const int[]){1, 0});
    proto_end(graph, node);
    put_node(graph, "MatMul", "flat turned", "product");
    put_node(graph, "Add", "fc.bias product", "y");
}

static void folded_matmul(proto_writer *graph)
{
    flatten(graph, "x");
    put_weights(graph, "val_7", 2, (const int[]){72, 3});
    put_node(graph, "MatMul", "flat val_7", "linear");
    put_weights(graph, "fc.bias", 1, (const int[]){3});
    put_node(graph, "Add", "linear fc.bias", "y");
}

/* Numbers of weights, whatever way they were written, in PyTorch's order: [out][in]. */
static void a_linear_layer_has_several_forms(void **state)
{
    (void)state;
    make *const forms[] = {transpose_and_matmul, folded_matmul};
    for (int k = 0; k < 2; k++) {
        proto_writer graph = {0};
        forms[k](&graph);
        proto_writer bytes = file_of(&graph, 18);
        exchange_file file = read_of(bytes.bytes, bytes.n);
        model *m = model_of(file.text);
        float *w = fit_of(&file, m);
        assert_int_equal(m->n_layers, 1);
        assert_string_equal(m->layers[0].kind->name, "dense");
        assert_string_equal(m->layers[0].name, k == 0 ? "fc" : "linear");
        for (int out = 0; out < 3; out++)
            for (int in = 0; in < 72; in++) {
                int at = k == 0 ? 72 * out + in : 3 * in + out;
                assert_true(w[72 * out + in] == (float)at / 64.0F - 1.0F);
            }
        assert_true(w[216 + 2] == 2.0F / 64.0F - 1.0F);
        guarded_free(w);
        model_free(m);
        exchange_file_release(&file);
        proto_release(&bytes);
    }
}

static void conv_of(proto_writer *graph, bool packed)
{
    put_weights(graph, "c.weight", 4, (const int[]){2, 1, 3, 3});
    size_t node = begin_node(graph, "Conv", "x c.weight", "c");
    put_wholes(graph, "kernel_shape", packed, 2, (const int[]){3, 3});
    put_wholes(graph, "pads", packed, 4, (const int[]){1, 1, 1, 1});
    put_wholes(graph, "strides", packed, 2, (const int[]){1, 1});
    put_whole(graph, "group", 2);
    proto_end(graph, node);
    flatten(graph, "c");
    put_dense(graph);
}

static void packed_conv(proto_writer *graph)
{
    conv_of(graph, true);
}

static void unpacked_conv(proto_writer *graph)
{
    conv_of(graph, false);
}

/* The shape that is asked for is made of the input's own. */
static void shape_of_parts(proto_writer *graph)
{
    put_row(graph, "zero", 1, (const int64_t[]){0});
    put_row(graph, "minus", 1, (const int64_t[]){-1});
    put_node(graph, "Shape", "x", "shape");
    put_node(graph, "Gather", "shape zero", "n");
    size_t node = begin_node(graph, "Concat", "n minus", "wanted");
    put_whole(graph, "axis", 0);
    proto_end(graph, node);
    put_node(graph, "Reshape", "x wanted", "flat");
    put_dense(graph);
}

static void pad_and_conv(proto_writer *graph)
{
    put_row(graph, "pads", 8, (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    put_weights(graph, "c.weight", 4, (const int[]){2, 2, 3, 3});
    put_node(graph, "Pad", "x pads", "padded");
    put_node(graph, "Conv", "padded c.weight", "c");
    flatten(graph, "c");
    put_dense(graph);
}

static void same_upper(proto_writer *graph)
{
    put_weights(graph, "c.weight", 4, (const int[]){8, 2, 3, 3});
    size_t node = begin_node(graph, "Conv", "x c.weight", "c");
    put_wholes(graph, "strides", true, 2, (const int[]){2, 2});
    put_string(graph, "auto_pad", "SAME_UPPER");
    proto_end(graph, node);
    flatten(graph, "c");
    put_dense(graph);
}

static void split_in_two(proto_writer *graph)
{
    size_t node = begin_node(graph, "Split", "x", "a");
    proto_put_text(graph, NODE_OUTPUT, "b");
    put_whole(graph, "axis", 1);
    proto_end(graph, node);
    put_node(graph, "Sigmoid", "b", "open");
    put_node(graph, "Mul", "open b", "gate");
    put_node(graph, "Mul", "gate a", "gated");
    node = begin_node(graph, "Concat", "gated b", "both");
    put_whole(graph, "axis", -3);
    proto_end(graph, node);
    flatten(graph, "both");
    put_dense(graph);
}

/* Nobody reads what nobody needs: its operator does not matter. */
static void dead_end(proto_writer *graph)
{
    put_node(graph, "NonZero", "x", "nowhere");
    flatten(graph, "x");
    put_dense(graph);
}

static const struct form {
    const char *name;
    make *how;
    const char *wanted[3]; /* in the model file */
} forms[] = {
    {"packed",
     packed_conv,
     {"[c]\nkind = conv\nfilters = 2\ngroups = 2\nkernel = 3\npadding = 1\nbias = no"}},
    {"unpacked",
     unpacked_conv,
     {"kernel = 3\npadding = 1\nbias = no", "[fc]\nkind = dense\nunits = 3\nbias = no"}},
    {"shape", shape_of_parts, {"[fc]\nkind = dense\nunits = 3"}},
    {"pad", pad_and_conv, {"filters = 2\nkernel = 3\npadding = 1\nbias = no"}},
    {"same", same_upper, {"kernel = 3\nstride = 2\npadding = same"}},
    {"split",
     split_in_two,
     {"[a]\nkind = split\nhalf = second", "[a_2]\nkind = split\ninput = image\nhalf = first",
      "kind = multiply\ninput = gate, a_2"}},
    {"dead end", dead_end, {"kind = dense"}},
};

static void forms_of_exporters_are_understood(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        error err = {0};
        char *text = text_of(forms[k].how, 13, &err);
        if (!text)
            fail_msg("%s: %s", forms[k].name, err.text);
        for (int i = 0; i < 3 && forms[k].wanted[i]; i++)
            if (!strstr(text, forms[k].wanted[i]))
                fail_msg("%s: no %s in %s", forms[k].name, forms[k].wanted[i], text);
        model_free(model_of(text));
        memory_free(text);
    }
}

/* ---- functions --------------------------------------------------------------------------------- */

static void put_number(proto_writer *graph, const char *name, float value)
{
    size_t begun = proto_begin(graph, GRAPH_INITIALIZER);
    proto_put_whole(graph, TENSOR_DATA_TYPE, ONNX_FLOAT);
    proto_put_text(graph, TENSOR_NAME, name);
    proto_put_float(graph, TENSOR_FLOATS, value);
    proto_end(graph, begun);
}

/* Steps "op input input output", one after the other, from c, which is a layer, to f. */
static proto_writer steps_of(const char *const *steps)
{
    static const struct {
        const char *name;
        float value;
    } numbers[] = {{"half", 0.5F},      {"one", 1.0F},          {"two", 2.0F},
                   {"three", 3.0F},     {"root2", 1.41421354F}, {"root", 0.707106769F},
                   {"bend", 0.044715F}, {"pi", 0.797884583F},   {"tenth", 0.1F},
                   {"zero", 0.0F},      {"six", 6.0F}};
    proto_writer graph = {0};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
        put_number(&graph, numbers[k].name, numbers[k].value);
    put_weights(&graph, "c.weight", 4, (const int[]){2, 2, 1, 1});
    put_node(&graph, "Conv", "x c.weight", "c");
    for (int k = 0; steps[k]; k++) {
        char op[32], inputs[64], output[32], *space;
        assert_int_equal(sscanf(steps[k], "%31s %63[^>]> %31s", op, inputs, output), 3);
        while ((space = strrchr(inputs, ' ')) && !space[1])
            *space = '\0';
        put_node(&graph, op, inputs, output);
    }
    flatten(&graph, "f");
    put_dense(&graph);
    return graph;
}

static const struct function {
    const char *wanted; /* all layers but the first and last, or what is refused */
    const char *steps[12];
} functions[] = {
    {"gelu", {"Div c root2 > a", "Erf a > b", "Add b one > d", "Mul c d > e", "Mul e half > f"}},
    {"gelu", {"Mul c half > h", "Mul c root > a", "Erf a > b", "Add one b > d", "Mul h d > f"}},
    {"gelu", {"Gelu c > f"}},
    {"gelu tanh",
     {"Pow c three > a", "Mul a bend > b", "Add c b > d", "Mul d pi > e", "Tanh e > g",
      "Add g one > h", "Mul c h > i", "Mul half i > f"}},
    {"silu", {"Neg c > a", "Exp a > b", "Add b one > d", "Div c d > f"}},
    {"silu", {"Sigmoid c > a", "Mul a c > f"}},
    {"relu", {"Max c zero > f"}},
    {"relu", {"Clip c zero > f"}},
    {"prelu", {"Mul c tenth > a", "Max a c > f"}},
    {"scale 2", {"Add c c > f"}},
    {"scale 0.05", {"Mul c tenth > a", "Mul a half > f"}},
    {"", {"Neg c > a", "Neg a > f"}},
    {"scale 0.5, silu", {"Mul c half > a", "Sigmoid a > b", "Mul b a > f"}},
    {"scale 0.1, relu", {"Mul c tenth > a", "Relu a > f"}},
    {"relu, silu", {"Relu c > a", "Sigmoid a > b", "Mul b a > f"}},
    {"relu, tanh, add", {"Relu c > a", "Tanh a > b", "Add a b > f"}},
    {"gelu, silu, multiply", {"Gelu c > a", "Sigmoid c > b", "Mul c b > d", "Mul a d > f"}},
    {"!Clip", {"Clip c zero six > f"}},
    {"!Sigmoid", {"Sigmoid c > f"}},
    {"!Mul", {"Mul c c > f"}},
    {"!Add", {"Add c one > f"}},
    {"!Exp", {"Exp c > f"}},
    {"!Sigmoid", {"Sigmoid c > a", "Mul a two > b", "Mul b c > d", "Tanh d > e", "Mul e d > f"}},
};

static void layers_between(const model *m, char *to, size_t room)
{
    size_t n = 0;
    *to = '\0';
    for (int k = 1; k < m->n_layers - 1; k++) {
        const layer *l = &m->layers[k];
        n += (size_t)snprintf(to + n, room - n, "%s%s", k > 1 ? ", " : "", l->kind->name);
        for (int i = 0; i < l->n_settings; i++)
            if ((strcmp(l->settings[i].name, "form") == 0 &&
                 strcmp(l->settings[i].text, "erf") != 0) ||
                strcmp(l->settings[i].name, "factor") == 0)
                n += (size_t)snprintf(to + n, room - n, " %s", l->settings[i].text);
    }
}

static void functions_are_known_by_what_they_do(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        const struct function *f = &functions[k];
        char found[128], wanted[64];
        error err = {0};
        exchange_file read = {0};
        proto_writer graph = steps_of(f->steps), file = file_of(&graph, 20);
        bool good = onnx_read(file.bytes, file.n, &read, &err);
        if (*f->wanted == '!') {
            snprintf(wanted, sizeof wanted, "the operator %s is none", f->wanted + 1);
            if (good || err.kind != ERROR_USER || !strstr(err.text, wanted))
                fail_msg("function %zu: no %s but %s", k, wanted, good ? read.text : err.text);
        } else {
            if (!good)
                fail_msg("function %zu, %s: %s", k, f->wanted, err.text);
            model *m = model_outline("test.ini", read.text, &err);
            assert_non_null(m);
            layers_between(m, found, sizeof found);
            assert_string_equal(found, f->wanted);
            model_free(m);
        }
        exchange_file_release(&read);
        proto_release(&file);
    }
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void other_domain(proto_writer *graph)
{
    size_t node = begin_node(graph, "FusedConv", "x", "flat");
    proto_put_text(graph, NODE_DOMAIN, "com.microsoft");
    proto_end(graph, node);
    put_dense(graph);
}

static void quantised(proto_writer *graph)
{
    put_node(graph, "DequantizeLinear", "x", "flat");
    put_dense(graph);
}

static void weights_elsewhere(proto_writer *graph)
{
    size_t begun = proto_begin(graph, GRAPH_INITIALIZER);
    proto_put_whole(graph, TENSOR_DIMS, 3);
    proto_put_whole(graph, TENSOR_DATA_TYPE, ONNX_FLOAT);
    proto_put_text(graph, TENSOR_NAME, "w");
    proto_put_text(graph, TENSOR_EXTERNAL, "\12\10location\22\1w");
    proto_put_whole(graph, TENSOR_LOCATION, 1);
    proto_end(graph, begun);
    flatten(graph, "x");
    put_dense(graph);
}

static void put_tensor(proto_writer *graph, int type, int64_t first, int64_t second, size_t n_bytes)
{
    static const uint8_t zeros[1024];
    size_t begun = proto_begin(graph, GRAPH_INITIALIZER);
    proto_put_whole(graph, TENSOR_DIMS, first);
    proto_put_whole(graph, TENSOR_DIMS, second);
    proto_put_whole(graph, TENSOR_DATA_TYPE, type);
    proto_put_text(graph, TENSOR_NAME, "w");
    proto_put_bytes(graph, TENSOR_RAW, zeros, n_bytes);
    proto_end(graph, begun);
    flatten(graph, "x");
    put_node(graph, "MatMul", "flat w", "y");
}

static void bytes_for_weights(proto_writer *graph)
{
    put_tensor(graph, ONNX_INT8, 72, 3, 216);
}

static void too_few_weights(proto_writer *graph)
{
    put_tensor(graph, ONNX_FLOAT, 72, 3, 860);
}

static void weights_without_end(proto_writer *graph)
{
    put_tensor(graph, ONNX_FLOAT, INT64_C(1) << 40, INT64_C(1) << 40, 4);
}

static void negative_dims(proto_writer *graph)
{
    put_tensor(graph, ONNX_FLOAT, -1, 3, 4);
}

static void no_such_value(proto_writer *graph)
{
    put_node(graph, "Flatten", "elsewhere", "flat");
    put_dense(graph);
}

static void given_twice(proto_writer *graph)
{
    flatten(graph, "x");
    flatten(graph, "x");
    put_dense(graph);
}

static void in_a_circle(proto_writer *graph)
{
    put_node(graph, "Add", "x flat", "b");
    put_node(graph, "Relu", "b", "flat");
    put_dense(graph);
}

static void two_inputs(proto_writer *graph)
{
    put_port(graph, GRAPH_INPUT, "other", 2, (const int[]){0, 3});
    flatten(graph, "x");
    put_dense(graph);
}

static void pads_of_one_side(proto_writer *graph)
{
    put_weights(graph, "c.weight", 4, (const int[]){2, 2, 3, 3});
    size_t node = begin_node(graph, "Conv", "x c.weight", "c");
    put_wholes(graph, "pads", true, 4, (const int[]){2, 0, 0, 0});
    proto_end(graph, node);
    flatten(graph, "c");
    put_dense(graph);
}

static void oblong_filters(proto_writer *graph)
{
    put_weights(graph, "c.weight", 4, (const int[]){2, 2, 3, 1});
    put_node(graph, "Conv", "x c.weight", "flat");
    put_dense(graph);
}

static void padded_maximum(proto_writer *graph)
{
    put_row(graph, "pads", 8, (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    put_node(graph, "Pad", "x pads", "padded");
    size_t node = begin_node(graph, "MaxPool", "padded", "flat");
    put_wholes(graph, "kernel_shape", true, 2, (const int[]){2, 2});
    proto_end(graph, node);
    put_dense(graph);
}

static void padded_and_normalised(proto_writer *graph)
{
    put_row(graph, "pads", 8, (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    put_number(graph, "mean", 0.5F);
    put_weights(graph, "c.weight", 4, (const int[]){2, 2, 3, 3});
    put_node(graph, "Pad", "x pads", "padded");
    put_node(graph, "Sub", "padded mean", "centred");
    put_node(graph, "Conv", "centred c.weight", "c");
    flatten(graph, "c");
    put_dense(graph);
}

static void softmax_within(proto_writer *graph)
{
    put_node(graph, "Flatten", "x", "z");
    put_node(graph, "Softmax", "z", "flat");
    put_dense(graph);
}

static void images_mixed(proto_writer *graph)
{
    put_row(graph, "to", 2, (const int64_t[]){-1, 36});
    put_node(graph, "Reshape", "x to", "flat");
    put_dense(graph);
}

static void mean_without_padding(proto_writer *graph)
{
    size_t node = begin_node(graph, "AveragePool", "x", "p");
    put_wholes(graph, "kernel_shape", true, 2, (const int[]){2, 2});
    put_wholes(graph, "pads", true, 4, (const int[]){1, 1, 1, 1});
    proto_end(graph, node);
    flatten(graph, "p");
    put_dense(graph);
}

static void norm_in_training(proto_writer *graph)
{
    put_weights(graph, "s", 1, (const int[]){2});
    size_t node = begin_node(graph, "BatchNormalization", "x s s s s", "n");
    put_whole(graph, "training_mode", 1);
    proto_end(graph, node);
    flatten(graph, "n");
    put_dense(graph);
}

static void nothing(proto_writer *graph)
{
    flatten(graph, "x");
    put_node(graph, "Identity", "flat", "y");
}

static void too_many_layers(proto_writer *graph)
{
    char from[16] = "x", to[16];
    for (int k = 0; k < MODEL_MAX_LAYERS; k++) {
        snprintf(to, sizeof to, "t%d", k);
        put_node(graph, "Tanh", from, to);
        snprintf(from, sizeof from, "t%d", k);
    }
    flatten(graph, from);
    put_dense(graph);
}

static void too_many_nodes(proto_writer *graph)
{
    for (int k = 0; k <= ONNX_MAX_NODES; k++)
        put_node(graph, "Relu", "x", "z");
}

static const struct refusal {
    make *how;
    const char *wanted;
} refusals[] = {
    {other_domain, "node flat: the operator com.microsoft::FusedConv is none"},
    {quantised, "node flat: the operator DequantizeLinear is none"},
    {weights_elsewhere, "w lies in another file (external data)"},
    {bytes_for_weights, "w is of int8: expected float, float16, bfloat16 or double"},
    {too_few_weights, "w: 860 bytes for 216 numbers"},
    {weights_without_end, "w: its dimensions overflow"},
    {negative_dims, "w: its dimensions overflow"},
    {no_such_value, "node flat: Flatten of elsewhere, which nothing before it gives"},
    {given_twice, "two give the value flat"},
    {in_a_circle, "node b: Add of flat, which nothing before it gives"},
    {two_inputs, "a graph of 2 inputs and 1 output"},
    {pads_of_one_side, "node c: Conv pads 2, 0, 0, 0"},
    {oblong_filters, "node flat: Conv filters of 3 x 1: expected squares"},
    {padded_maximum, "node padded: Pad before what is no convolution and no mean"},
    {padded_and_normalised, "node padded: Pad before what is no convolution and no mean"},
    {softmax_within, "node flat: the operator Softmax is none"},
    {images_mixed, "node flat: Reshape to a shape that does not hold the values of each image"},
    {mean_without_padding, "node p: AveragePool whose padding does not count"},
    {norm_in_training, "node n: BatchNormalization as it is in training"},
    {nothing, "no layer stands between its input and its output y"},
    {too_many_layers, "as one more than 256 layers"},
    {too_many_nodes, "a graph of more than 8192 nodes"},
};

static void what_is_refused_is_named(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof refusals / sizeof *refusals; k++) {
        error err = {0};
        char *text = text_of(refusals[k].how, 13, &err);
        if (text || err.kind != ERROR_USER || !strstr(err.text, refusals[k].wanted))
            fail_msg("%s: %s", refusals[k].wanted, text ? text : err.text);
    }
    error err = {0};
    assert_null(text_of(folded_matmul, 5, &err));
    assert_non_null(strstr(err.text, "operators of opset 5"));
}

/* ---- damaged ----------------------------------------------------------------------------------- */

static void read_whatever(const uint8_t *bytes, size_t n)
{
    error err = {0};
    exchange_file file = {0};
    uint8_t *exact = malloc(n > 0 ? n : 1); /* so that a checker sees a byte too far */
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    bool good = onnx_read(exact, n, &file, &err);
    assert_true(good == (err.kind == ERROR_NONE));
    assert_true(good == (file.text != NULL) || !good);
    if (good) {
        model *m = model_new("test.ini", file.text, &err);
        assert_true((m != NULL) == (err.kind == ERROR_NONE));
        model_free(m);
    }
    exchange_file_release(&file);
    free(exact);
}

/* A file cut off anywhere, and with any byte changed in several ways. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    make *const graphs[] = {split_in_two, shape_of_parts, packed_conv};
    for (size_t g = 0; g < sizeof graphs / sizeof *graphs; g++) {
        proto_writer graph = {0};
        graphs[g](&graph);
        proto_writer file = file_of(&graph, 13);
        for (size_t k = 0; k < file.n; k++) {
            error err = {0};
            exchange_file read = {0};
            assert_false(onnx_read(file.bytes, k, &read, &err) && !read.text);
            exchange_file_release(&read);
            for (size_t c = 0; c < sizeof changes; c++) {
                file.bytes[k] ^= changes[c];
                read_whatever(file.bytes, file.n);
                file.bytes[k] ^= changes[c];
            }
        }
        proto_release(&file);
    }
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static void numbers_survive_their_bytes(void **state)
{
    (void)state;
    const int64_t numbers[] = {0, 1, 127, 128, 300, INT64_MAX, -1, INT64_MIN};
    proto_writer w = {0};
    proto_field f;
    for (size_t k = 0; k < 8; k++)
        proto_put_whole(&w, 15 + (uint32_t)k, numbers[k]);
    size_t begun = proto_begin(&w, 1);
    for (int k = 0; k < 100; k++)
        proto_put_text(&w, 2, "text");
    proto_end(&w, begun);
    proto_put_float(&w, 3, 1.5F);
    proto_span left = {w.bytes, w.n}, inside;
    for (size_t k = 0; k < 8; k++)
        assert_true(proto_next(&left, &f) && proto_is(&f, 15 + (uint32_t)k, PROTO_VARINT) &&
                    (int64_t)f.value == numbers[k]);
    assert_true(proto_next(&left, &f) && proto_is(&f, 1, PROTO_BYTES) && f.bytes.n == 600);
    inside = f.bytes;
    assert_true(proto_next(&inside, &f) && proto_equal(f.bytes, "text"));
    assert_true(proto_next(&left, &f) && proto_is(&f, 3, PROTO_FIXED32) && f.value == 0x3fc00000);
    assert_false(proto_next(&left, &f));
    assert_non_null(left.at); /* at its end, not damaged */
    proto_release(&w);
}

static void damaged_messages_are_told(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint8_t bytes[12];
    } cases[] = {
        {1, {0x08}},       /* no number */
        {1, {0x80}},       /* a key without an end */
        {2, {0x08, 0x80}}, /* a number without an end */
        {11, {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}},
        {3, {0x0a, 0x02, 0x00}}, /* two bytes, of which one is there */
        {10, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
        {4, {0x0d, 0, 0, 0}},          /* a float of three bytes */
        {8, {0x09, 0, 0, 0, 0, 0, 0}}, /* a double of seven */
        {2, {0x00, 0x00}},             /* number 0 */
        {2, {0x0b, 0x0c}},             /* a group */
        {2, {0x0e, 0x00}},             /* a wire type that there is not */
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        proto_span left = {cases[k].bytes, cases[k].n};
        proto_field f;
        assert_false(proto_next(&left, &f));
        assert_null(left.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_linear_layer_has_several_forms),
        TEST(forms_of_exporters_are_understood),
        TEST(functions_are_known_by_what_they_do),
        TEST(what_is_refused_is_named),
        TEST(damaged_files_do_no_harm),
        TEST(numbers_survive_their_bytes),
        TEST(damaged_messages_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
