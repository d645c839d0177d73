#include "pooling.h"
#include "kernels/pool.h"

bool pooling_infer(layer *self, error *err)
{
    int side = self->in[0].height < self->in[0].width ? self->in[0].height : self->in[0].width;
    long window, stride, padding;
    if (!layer_setting_get(self, "window", 0, 1, side, &window, err) ||
        !layer_setting_get(self, "stride", window, 1, LAYER_MAX_SIDE, &stride, err) ||
        !layer_setting_get(self, "padding", 0, 0, window / 2, &padding, err))
        return false;
    self->values[POOLING_WINDOW] = window;
    self->values[POOLING_STRIDE] = stride;
    self->values[POOLING_PADDING] = padding;
    self->by_blocks = true;
    int spare = 2 * (int)padding - (int)window;
    self->out.channels = self->in[0].channels;
    self->out.height = (self->in[0].height + spare) / (int)stride + 1;
    self->out.width = (self->in[0].width + spare) / (int)stride + 1;
    return true;
}

void pooling_plan(layer *self, int n_threads, void *plan)
{
    (void)n_threads;
    *(pool_shape *)plan = (pool_shape){.in_height = self->in[0].height,
                                       .in_width = self->in[0].width,
                                       .out_height = self->out.height,
                                       .out_width = self->out.width,
                                       .window = (int)self->values[POOLING_WINDOW],
                                       .stride = (int)self->values[POOLING_STRIDE],
                                       .padding = (int)self->values[POOLING_PADDING]};
}
