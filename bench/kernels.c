/*
 * bench/kernels.c - speed of the kernels and of the whole training step, as a share of the peak
 *
 * usage: bench-kernels [--json FILE] [--threads T] [--model FILE]
 *        bench-kernels --step B [--seconds S] ...   prints images/s of bare steps at batch B
 *        bench-kernels --step B --engine avx512/8   by that engine: bramble info lists them
 *        bench-kernels --conv TEXT                  the convolutions beside the model whose names begin so
 *        bench-kernels --peak [--seconds S]         prints one core's peak in GFLOP/s
 *
 * The peak is measured in turn with each figure, so that a machine that slows down slows down both; the
 * ratio of the best repetition is printed, with the median beside it.
 */
#include "base/clock.h"
#include "base/ini.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/engine.h"
#include "kernels/conv.h"
#include "kernels/peak.h"
#include "kernels/team.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 9 };

typedef void action(void *arg);

typedef struct figure {
    double gflops, peak_gflops, share, median_share, t_s; /* of the best; seconds of one action */
} figure;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Peak, action, peak, action ... : share of each action of the mean of the peaks around it. */
static figure measure(action *act, void *arg, double flops, int n_threads)
{
    figure best = {0};
    double shares[REPEATS];
    act(arg); /* warm */
    double start = clock_now();
    act(arg);
    int turns = (int)(0.03 / (clock_now() - start + 1e-9)) + 1;
    double before = peak_flops(n_threads, 0.02);
    for (int k = 0; k < REPEATS; k++) {
        start = clock_now();
        for (int n = 0; n < turns; n++)
            act(arg);
        double t_s = (clock_now() - start) / turns, after = peak_flops(n_threads, 0.02);
        double peak = 0.5 * (before + after);
        shares[k] = flops / t_s / peak;
        if (shares[k] > best.share)
            best = (figure){1e-9 * flops / t_s, 1e-9 * peak, shares[k], 0.0, t_s};
        before = after;
    }
    qsort(shares, REPEATS, sizeof *shares, ascending);
    best.median_share = shares[REPEATS / 2];
    return best;
}

static json_t *rows;

static json_t *print(const char *name, const char *what, const figure *f)
{
    printf("%-36s %-18s %8.1f %8.1f %7.1f %% %7.1f %%\n", name, what, f->gflops, f->peak_gflops,
           100.0 * f->share, 100.0 * f->median_share);
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(name));
    json_object_set_new(row, "what", json_string(what));
    json_object_set_new(row, "gflops", json_real(f->gflops));
    json_object_set_new(row, "peak_gflops", json_real(f->peak_gflops));
    json_object_set_new(row, "share", json_real(f->share));
    json_object_set_new(row, "median_share", json_real(f->median_share));
    json_object_set_new(row, "t_s", json_real(f->t_s));
    json_array_append_new(rows, row);
    return row;
}

/* ---- reading and copying memory, for the roofline and for what limits a layer ------------------------- */

typedef struct stream {
    const vec *x;
    vec *y;   /* NULL: they are added up */
    size_t n; /* of each thread */
    int turns;
} stream;

static void stream_read(const vec *x, size_t n)
{
    vec sum[8] = {{0}};
    for (size_t k = 0; k + 8 <= n; k += 8)
        SIMD_FOR (size_t j = 0; j < 8; j++)
            sum[j] += x[k + j];
    vec total = sum[0]; /* of a single one, so that the sums stay in registers */
    SIMD_FOR (size_t j = 1; j < 8; j++)
        total += sum[j];
    __asm__ volatile("" : : "m"(total));
}

static void stream_copy(const vec *x, vec *y, size_t n)
{
    /* Not by the C library, which goes past the caches where it thinks that better. */
    for (size_t k = 0; k < n; k++)
        y[k] = vec_in_register(x[k]);
}

static void stream_work(const team *us, void *arg)
{
    const stream *s = arg;
    size_t begin = (size_t)us->thread * s->n;
    for (int turn = 0; turn < s->turns; turn++)
        if (s->y)
            stream_copy(s->x + begin, s->y + begin, s->n);
        else
            stream_read(s->x + begin, s->n);
}

/* Bytes per second that all threads together read, or read and write, each its own `bytes`. */
static void bench_stream(const char *what, bool copy, size_t bytes, int n_threads, error *err)
{
    const size_t vecs = bytes / sizeof(vec) / (copy ? 2 : 1);
    stream s = {.n = vecs, .turns = 1};
    vec *x = memory_new((size_t)n_threads * vecs, sizeof(vec), err);
    vec *y = copy ? memory_new((size_t)n_threads * vecs, sizeof(vec), err) : NULL;
    double best = 0.0;
    s.x = x;
    s.y = y;
    s.turns = (int)((64U << 20) / bytes) + 1;
    for (int k = 0; err->kind == ERROR_NONE && k < 9; k++) {
        double start = clock_now();
        team_run(n_threads, stream_work, &s);
        double rate = (double)bytes * s.turns * n_threads / (clock_now() - start);
        best = rate > best ? rate : best;
    }
    memory_free(x);
    memory_free(y);
    json_t *row = json_object();
    json_object_set_new(row, "name", json_string(what));
    json_object_set_new(row, "bytes", json_real((double)bytes));
    json_object_set_new(row, "bytes_per_s", json_real(best));
    json_array_append_new(rows, row);
    printf("%s, each thread %*.0f kB %16.1f GB/s\n", what, 31 - (int)strlen(what),
           (double)bytes / 1e3, 1e-9 * best);
}

static void bench_memory(int n_threads, error *err)
{
    static const size_t memories[] = {16U << 10, 192U << 10, 4U << 20, 128U << 20};
    for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
        bench_stream("read", false, memories[k], n_threads, err);
    for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
        bench_stream("copy", true, memories[k], n_threads, err);
}

/* ---- one layer ---------------------------------------------------------------------------------- */

typedef struct layer_case {
    const layer *of;
    layer_pass pass;
    char *scratch; /* scratch_bytes for each thread */
    size_t scratch_bytes;
    int n_threads;
    bool backward;
} layer_case;

static void layer_work(const team *us, void *arg)
{
    const layer_case *c = arg;
    layer_pass pass = c->pass;
    pass.scratch = c->scratch + (size_t)us->thread * c->scratch_bytes;
    if (c->of->kind->prepare) { /* the weights change with every step */
        c->of->kind->prepare(c->of, &pass, us);
        team_barrier(us);
    }
    if (!c->of->by_blocks) {
        (c->backward ? c->of->kind->backward : c->of->kind->forward)(c->of, &pass, us);
        return;
    }
    /* As a network runs it: each thread its own blocks, one by one. */
    const team alone = {0, 1, NULL};
    size_t begin, end;
    team_share(us, pass.n_blocks, &begin, &end);
    for (size_t b = begin; b < end; b++) {
        const layer_pass one = layer_pass_of(c->of, &pass, b, b + 1);
        (c->backward ? c->of->kind->backward : c->of->kind->forward)(c->of, &one, &alone);
    }
    team_barrier(us);
    if (c->backward && c->of->kind->collect)
        c->of->kind->collect(c->of, &pass, us);
}

static void layer_act(void *arg)
{
    layer_case *c = arg;
    team_run(c->n_threads, layer_work, c);
}

static vec *random_blocks(size_t n, error *err)
{
    vec *x = memory_new(n, sizeof(vec), err);
    for (size_t k = 0; x && k < n * VEC_WIDTH; k++)
        ((float *)x)[k] = random_uniform(1, random_stream(RANDOM_TEST, 1, 0), k, -1.0F, 1.0F);
    return x;
}

/* What a pass must read and write at least, for n images: features of in and out, and the weights. */
static void note_bytes(json_t *row, double vecs, double weights, double flops, size_t n)
{
    json_object_set_new(row, "bytes", json_real((vecs * (double)n + weights) * sizeof(float)));
    json_object_set_new(row, "flops", json_real(flops * (double)n));
}

/* One of a layer's passes, and which of several algorithms it is computed by. */
static json_t *print_pass(const char *name, const char *what, const layer *l, const figure *f)
{
    json_t *row = print(name, what, f);
    if (l->algorithm)
        json_object_set_new(row, "algorithm", json_string(l->algorithm));
    return row;
}

/* Forward, gradient of the weights, and with the gradient of the input, if the layer makes one. */
static void bench_layer(const char *name, const layer *of, size_t n_images, int n_threads,
                        error *err)
{
    layer own = *of, *l = &own; /* plan sets some of it */
    layer_case c = {.of = l, .n_threads = n_threads};
    size_t blocks = (n_images + VEC_WIDTH - 1) / VEC_WIDTH, bytes = 0;
    void *plan = memory_new(l->kind->plan_bytes, 1, err);
    if (plan && l->kind->plan)
        l->kind->plan(l, n_threads, plan);
    if (plan && l->kind->workspace_bytes)
        l->kind->workspace_bytes(l, plan, blocks, true, &bytes);
    if (plan && l->kind->scratch_bytes)
        c.scratch_bytes = l->kind->scratch_bytes(l, plan);
    c.scratch_bytes = memory_lines(c.scratch_bytes);
    c.scratch = memory_new((size_t)n_threads, c.scratch_bytes, err);
    vec *x = random_blocks(blocks * layer_features(l->in[0]), err);
    vec *gy = random_blocks(blocks * layer_features(l->out), err);
    vec *y = memory_new(blocks * layer_features(l->out), sizeof(vec), err);
    vec *gx = memory_new(blocks * layer_features(l->in[0]), sizeof(vec), err);
    float *w = memory_new(l->n_trained, sizeof(float), err);
    float *g = memory_new(l->n_trained, sizeof(float), err);
    void *workspace = memory_new(bytes, 1, err);
    vec *sums = memory_new(blocks * l->n_sums, sizeof(vec), err);
    if (err->kind == ERROR_NONE) {
        l->kind->init(l, w, NULL, 1, 0);
        c.pass = (layer_pass){.n_images = n_images,
                              .n_blocks = blocks,
                              .block_end = blocks,
                              .training = true,
                              .w = w,
                              .g = g,
                              .plan = plan,
                              .x = {x},
                              .y = y,
                              .gy = gy,
                              .workspace = workspace,
                              .sums = sums};
        figure f = measure(layer_act, &c, l->flops_forward * (double)n_images, n_threads);
        double in = (double)layer_features(l->in[0]), out = (double)layer_features(l->out);
        double n_w = (double)l->n_trained;
        note_bytes(print_pass(name, "forward", l, &f), in + out, n_w, l->flops_forward, n_images);
        c.backward = true;
        figure weights = measure(layer_act, &c, l->flops_weights * (double)n_images, n_threads);
        note_bytes(print_pass(name, "weight gradient", l, &weights), in + out, n_w,
                   l->flops_weights, n_images);
        if (l->inputs[0] != LAYER_IMAGES) {
            c.pass.gx[0] = gx;
            f = measure(layer_act, &c, l->flops_backward * (double)n_images, n_threads);
            note_bytes(print_pass(name, "both gradients", l, &f), 2.0 * in + out, 2.0 * n_w,
                       l->flops_backward, n_images);
        }
    }
    memory_free(x);
    memory_free(gy);
    memory_free(y);
    memory_free(gx);
    memory_free(w);
    memory_free(g);
    memory_free(plan);
    memory_free(workspace);
    memory_free(c.scratch);
    memory_free(sums);
}

/* ---- the whole step ------------------------------------------------------------------------------ */

static const engine *forced;

typedef struct step_case {
    const engine *engine;
    network *net;
    network_vectors at;
    optimizer by;
    network_input input;
    size_t n_images;
} step_case;

static void label(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    (void)arg; /* the images stay what they are: loading is not part of the step */
    (void)x;
    for (size_t k = 0; k < n; k++)
        labels[k] = (uint16_t)((first + k) % 10);
}

static void step_act(void *arg)
{
    step_case *c = arg;
    c->engine->network_step(c->net, &c->at, &c->by, &c->input, c->n_images);
}

/* --engine, else the one that training takes. */
static const engine *engine_of(size_t n_images)
{
    return forced ? forced : engine_for_batch(engine_choose(0, NULL), n_images);
}

static bool step_case_init(step_case *c, const model *m, size_t n_images, int n_threads, error *err)
{
    *c = (step_case){.engine = engine_of(n_images),
                     .at = {memory_new(m->n_weights, sizeof(float), err),
                            memory_new(m->n_weights, sizeof(float), err)},
                     .input = {.load = label},
                     .n_images = n_images};
    c->net = engine_network_new(c->engine, m, n_images, true, n_threads, err);
    const optimizer_settings settings = {.lr = 1e-4, .momentum = 0.9};
    if (err->kind == ERROR_NONE &&
        optimizer_init(&c->by, c->engine->optimizer_rules[0], &settings, m, err))
        model_init(m, c->at.w, 1);
    return err->kind == ERROR_NONE;
}

static void step_case_release(step_case *c)
{
    if (c->net)
        c->engine->network_free(c->net);
    memory_free(c->at.w);
    optimizer_release(&c->by);
    memory_free(c->at.g);
}

/* Images per second over about t_s seconds. */
static double step_rate(const model *m, size_t n_images, int n_threads, double t_s, error *err)
{
    step_case c;
    double rate = 0.0;
    if (step_case_init(&c, m, n_images, n_threads, err)) {
        for (int k = 0; k < 10; k++)
            step_act(&c);
        double start = clock_now(), now = start, n = 0.0;
        for (; now - start < t_s; now = clock_now(), n++)
            step_act(&c);
        rate = n * (double)n_images / (now - start);
    }
    step_case_release(&c);
    return rate;
}

static double bench_step(const model *m, size_t n_images, int n_threads, error *err)
{
    char name[64];
    step_case c;
    figure f = {0};
    if (step_case_init(&c, m, n_images, n_threads, err)) {
        f = measure(step_act, &c, m->flops_step * (double)n_images, n_threads);
        snprintf(name, sizeof name, "step, batch %zu", n_images);
        char what[32];
        snprintf(what, sizeof what, "%d thread%s", n_threads, n_threads > 1 ? "s" : "");
        print(name, what, &f);
        printf("%-36s %-18s %8.0f images/s\n", "", "", (double)n_images / f.t_s);
    }
    step_case_release(&c);
    return f.t_s;
}

/* ---- other convolutions --------------------------------------------------------------------------- */

typedef struct conv_case {
    const char *name;
    int channels, side;
    const char *settings;
} conv_case;

/* The second layer of a model is measured, since of the images there is no gradient; it leaves the channels as they are. */
static void bench_conv(const conv_case *c, size_t n_images, int n_threads, error *err)
{
    char text[512], name[64];
    snprintf(text, sizeof text,
             "[model]\nname = bench\ninput = %d %d %d\nclasses = 10\n[first]\nkind = relu\n"
             "[conv]\nkind = conv\nfilters = %d\n%s\n[fc]\nkind = dense\nunits = 10\n",
             c->channels, c->side, c->side, c->channels, c->settings);
    model *m = model_new("bench", text, err);
    snprintf(name, sizeof name, "%s %d x %d x %d", c->name, c->channels, c->side, c->side);
    if (m)
        bench_layer(name, &m->layers[1], n_images, n_threads, err);
    model_free(m);
}

static void bench_convs(const char *begin, int n_threads, error *err)
{
    static const char square[] = "kernel = 3\npadding = 1";
    static const conv_case cases[] = {
        {"conv 3x3", 32, 32, square},
        {"conv 3x3", 64, 32, square},
        {"conv 3x3", 128, 16, square},
        {"conv 3x3", 256, 8, square},
        {"5x5", 64, 16, "kernel = 5\npadding = 2"},
        {"dilated 3x3", 64, 32, "kernel = 3\npadding = 2\ndilation = 2"},
        {"stride 2 3x3", 64, 32, "kernel = 3\npadding = 1\nstride = 2"},
        {"stride 2 1x1", 64, 32, "kernel = 1\nstride = 2"},
        {"pointwise 1x1", 64, 32, "kernel = 1"},
        {"depthwise 3x3", 64, 32, "kernel = 3\npadding = 1\ngroups = 64"},
        {"depthwise 7x7", 64, 32, "kernel = 7\npadding = 3\ngroups = 64"},
        {"depthwise dilated 7x7", 64, 32, "kernel = 7\npadding = 9\ndilation = 3\ngroups = 64"},
        {"depthwise stride 2 3x3", 64, 32, "kernel = 3\npadding = 1\nstride = 2\ngroups = 64"},
        {"8 groups 3x3", 64, 32, "kernel = 3\npadding = 1\ngroups = 8"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        if (strncmp(cases[k].name, begin, strlen(begin)) == 0)
            bench_conv(&cases[k], 32, n_threads, err);
}

/* Whole steps of a net of 3x3 convolutions. */
static void bench_vgg(int n_threads, error *err)
{
    char *text = ini_read_file("models/vgg-small.ini", err);
    model *m = text ? model_new("models/vgg-small.ini", text, err) : NULL;
    step_case c;
    if (m && step_case_init(&c, m, 128, n_threads, err)) {
        figure f = measure(step_act, &c, m->flops_step * 128.0, n_threads);
        print("vgg-small's step", "batch 128", &f);
        step_case_release(&c);
    }
    model_free(m);
    memory_free(text);
}

static void bench_all(const model *m, int n_threads, error *err)
{
    printf("%-36s %-18s %8s %8s %9s %9s\n", "", "", "GFLOP/s", "peak", "of peak", "median");
    bench_memory(n_threads, err);
    for (int k = 0; k < m->n_layers; k++)
        if (m->layers[k].flops_forward > 0.0)
            bench_layer(m->layers[k].name, &m->layers[k], 32, n_threads, err);
    static const size_t batches[] = {4, 8, 16, 32, 128, 512};
    for (size_t k = 0; k < sizeof batches / sizeof *batches; k++)
        bench_step(m, batches[k], n_threads, err);
    if (n_threads > 1) {
        double one = bench_step(m, 32, 1, err), all = bench_step(m, 32, n_threads, err);
        printf("%-36s %-18s %8.2f x\n", "step, batch 32", "1 to all threads", one / all);
    }
    bench_convs("", n_threads, err);
    bench_vgg(n_threads, err);
}

typedef struct arguments {
    const char *json, *model, *conv; /* conv: NULL: everything */
    int n_threads;
    size_t step; /* 0: everything */
    double t_s;
    bool peak;
} arguments;

static const engine *engine_named(const char *name)
{
    char text[32];
    for (const engine *const *e = engines; *e; e++) {
        snprintf(text, sizeof text, "%s/%d", (*e)->isa, (*e)->width);
        if (strcmp(text, name) == 0 && engine_runs(*e))
            return *e;
    }
    return NULL;
}

static bool read_arguments(int argc, char **argv, arguments *a)
{
    static const struct option options[] = {{"json", required_argument, NULL, 'j'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"step", required_argument, NULL, 's'},
                                            {"seconds", required_argument, NULL, 'u'},
                                            {"engine", required_argument, NULL, 'e'},
                                            {"peak", no_argument, NULL, 'p'},
                                            {"conv", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    *a = (arguments){.model = "models/paper.ini", .n_threads = team_cores(), .t_s = 1.0};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 'j':
            a->json = optarg;
            break;
        case 'm':
            a->model = optarg;
            break;
        case 't':
            a->n_threads = atoi(optarg);
            break;
        case 's':
            a->step = (size_t)atol(optarg);
            break;
        case 'e':
            if (!(forced = engine_named(optarg)))
                return false;
            break;
        case 'c':
            a->conv = optarg;
            break;
        case 'p':
            a->peak = true;
            break;
        case 'u':
            a->t_s = atof(optarg);
            break;
        default:
            return false;
        }
    return a->n_threads > 0;
}

/* Of one core, within spells so short that other programs leave some of them alone. */
static double best_peak(double t_s)
{
    double best = 0.0;
    for (double start = clock_now(); clock_now() - start < t_s;) {
        double flops = peak_flops(1, 0.001);
        best = flops > best ? flops : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    arguments a;
    if (!read_arguments(argc, argv, &a))
        return 2;
    if (a.peak) {
        printf("%.1f\n", 1e-9 * best_peak(a.t_s));
        return 0;
    }
    error err = {0};
    rows = json_array();
    char *text = ini_read_file(a.model, &err);
    model *m = text ? model_new(a.model, text, &err) : NULL;
    if (m && a.step > 0)
        printf("%.1f\n", step_rate(m, a.step, a.n_threads, a.t_s, &err));
    else if (m && a.conv) {
        bench_memory(a.n_threads, &err);
        bench_convs(a.conv, a.n_threads, &err);
    } else if (m)
        bench_all(m, a.n_threads, &err);
    if (a.json && err.kind == ERROR_NONE && json_dump_file(rows, a.json, JSON_INDENT(1)) != 0)
        error_environment(&err, "%s: cannot be written", a.json);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    json_decref(rows);
    model_free(m);
    memory_free(text);
    return (int)err.kind;
}
