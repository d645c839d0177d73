#include "base/memory.h"
#include "kernels/dense.h"
#include "layers/layer.h"

static bool infer(layer *self, error *err)
{
    long n_out;
    if (!layer_setting_get(self, "units", 0, 1, LAYER_MAX_CHANNELS, &n_out, err))
        return false;
    size_t n_in = layer_features(self->in);
    self->out = (layer_shape){(int)n_out, 1, 1};
    layer_tensor_add(self, "weight", 2, (const size_t[]){(size_t)n_out, n_in});
    layer_tensor_add(self, "bias", 1, (const size_t[]){(size_t)n_out});
    self->flops_forward = self->flops_weights = 2.0 * (double)n_in * (double)n_out;
    self->flops_backward = 2.0 * self->flops_weights;
    return true;
}

static void init(const layer *self, float *w, uint64_t seed, uint32_t first_stream)
{
    layer_init_uniform(self, w, layer_features(self->in), seed, first_stream);
}

/* The input, transposed to one row per image. */
static bool workspace_bytes(const layer *self, size_t n_blocks, bool training, size_t *bytes)
{
    size_t row = dense_row_floats((int)layer_features(self->in)) * sizeof(float);
    *bytes = 0;
    return !training || (memory_multiply(n_blocks * VEC_WIDTH, row, bytes));
}

static void forward(const layer *self, const layer_pass *pass, const team *us)
{
    int n_in = (int)layer_features(self->in), n_out = self->out.channels;
    size_t begin, end;
    if (pass->training) {
        team_share(us, pass->n_blocks, &begin, &end);
        dense_transpose(n_in, pass->x, pass->workspace, begin, end);
    }
    team_share(us, (size_t)n_out, &begin, &end);
    dense_forward(n_in, n_out, pass->w, pass->w + self->tensors[1].offset, pass->x, pass->y,
                  pass->n_blocks, begin, end);
}

static void backward(const layer *self, const layer_pass *pass, const team *us)
{
    int n_in = (int)layer_features(self->in), n_out = self->out.channels;
    size_t begin, end;
    team_share(us, (size_t)n_out, &begin, &end);
    dense_weight_gradient(n_in, n_out, pass->workspace, pass->gy, pass->n_images, pass->g,
                          pass->g + self->tensors[1].offset, begin, end);
    if (pass->gx) {
        team_share(us, (size_t)n_in, &begin, &end);
        dense_input_gradient(n_in, n_out, pass->w, pass->gy, pass->gx, pass->n_blocks, begin, end);
    }
}

extern const layer_kind layer_dense;
const layer_kind layer_dense = {
    .name = "dense",
    .about = "fully connected: units outputs, each with a weight per input and a bias",
    .settings = {"units"},
    .infer = infer,
    .init = init,
    .workspace_bytes = workspace_bytes,
    .forward = forward,
    .backward = backward,
};
