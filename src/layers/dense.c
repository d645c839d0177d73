#include "kernels/dense.h"
#include "base/memory.h"
#include "layers/layer.h"

enum { MAX_WEIGHTS_BY_BLOCKS = 1 << 17 };

static bool infer(layer *self, error *err)
{
    long n_out;
    bool bias;
    if (!layer_setting_get(self, "units", 0, 1, LAYER_MAX_UNITS, &n_out, err) ||
        !layer_setting_get_yes(self, "bias", true, &bias, err) ||
        !layer_init_read(self, false, err))
        return false;
    size_t n_in = layer_features(self->in[0]);
    self->out = (layer_shape){(int)n_out, 1, 1};
    layer_tensor_add(self, TENSOR_TRAINED, "weight", 2, (const size_t[]){(size_t)n_out, n_in});
    if (bias)
        layer_tensor_add(self, TENSOR_TRAINED, "bias", 1, (const size_t[]){(size_t)n_out});
    self->flops_forward = self->flops_weights = 2.0 * (double)n_in * (double)n_out;
    self->flops_backward = 2.0 * self->flops_weights;
    self->forgets_x = self->forgets_y = true; /* x is kept, transposed */
    /* By blocks every thread reads all weights: they must fit in its cache. */
    self->by_blocks = self->tensors[0].count <= MAX_WEIGHTS_BY_BLOCKS;
    self->at_once = true;
    return true;
}

static void init(const layer *self, float *w, float *statistics, uint64_t seed,
                 uint32_t first_stream)
{
    (void)statistics;
    layer_init_weights(self, w, layer_features(self->in[0]), seed, first_stream);
}

static size_t row_bytes(const layer *self)
{
    return dense_row_floats((int)layer_features(self->in[0])) * sizeof(float);
}

/* The input, transposed to one row per image. */
static bool workspace_bytes(const layer *self, const void *plan, size_t n_blocks, bool training,
                            size_t *bytes)
{
    (void)plan;
    *bytes = 0;
    return !training || memory_multiply(n_blocks * VEC_WIDTH, row_bytes(self), bytes);
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t n_in = layer_features(self->in[0]), n_out = (size_t)self->out.channels, begin, end;
    size_t n_blocks = pass->block_end - pass->block_begin;
    if (pass->g) {
        layer_share(pass, us, 1, &begin, &end);
        dense_transpose((int)n_in, pass->x[0], layer_kept(pass, VEC_WIDTH * row_bytes(self)), begin,
                        end);
    }
    team_share(us, n_out, &begin, &end);
    dense_forward((int)n_in, (int)n_out, pass->w, layer_bias(self, pass->w), pass->x[0], pass->y,
                  n_blocks, begin, end);
}

static void collect(const layer *self, const layer_pass *pass, const team *us)
{
    int n_in = (int)layer_features(self->in[0]), n_out = self->out.channels;
    size_t begin, end;
    team_share(us, (size_t)n_out, &begin, &end);
    dense_weight_gradient(n_in, n_out, pass->workspace, pass->gy, pass->n_images, pass->g,
                          layer_bias(self, pass->g), begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    size_t n_in = layer_features(self->in[0]), n_out = (size_t)self->out.channels, begin, end;
    size_t n_blocks = pass->block_end - pass->block_begin;
    if (pass->g && !pass->by_blocks)
        collect(self, pass, us);
    if (pass->gx[0]) {
        team_share(us, n_in, &begin, &end);
        dense_input_gradient((int)n_in, (int)n_out, pass->w, pass->gy, pass->gx[0], pass->add[0],
                             n_blocks, begin, end);
    }
}

/* Fully connected: so many units, each with a weight per input and, unless bias = no, a bias. */
const layer_kind layer_dense = {
    .name = "dense",
    .settings = {"units", "bias", "init"},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .init = init,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
    .collect = collect,
};
