/*
 * tiles: how a convolution is cut on the target this was built for; for tools/bench-static.
 * usage: bench-tiles IN_CHANNELS IN_SIDE OUT_CHANNELS KERNEL [f2|f4]
 * Prints the largest tile of the forward pass, channels and pixels, and the gradient's groups of channels; of a
 * Winograd convolution the tiles of a strip, and how many bytes a strip and the packed weights take.
 */
#include "kernels/conv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_winograd(const conv_shape *s, enum conv_method method)
{
    enum { BORDER = 1 };
    conv_shape padded = *s;
    padded.border_top = padded.border_bottom = padded.border_left = padded.border_right = BORDER;
    conv_plan plan = conv_plan_make(&padded, method, NULL);
    int m = method == CONV_F2 ? 2 : 4, side = (s->out_width + m - 1) / m;
    size_t strips = plan.n_items, tiles = (size_t)(side * side);
    printf("%zu %zu %zu\n", (tiles + strips - 1) / strips, plan.n_scratch * sizeof(vec),
           plan.n_packed * sizeof(float));
}

int main(int argc, char **argv)
{
    int given[4];
    for (int k = 0; k < 4; k++)
        given[k] = k + 1 < argc ? atoi(argv[k + 1]) : 0;
    int side = given[1], kernel = given[3], out = side - kernel + 1;
    const char *name = argc == 6 ? argv[5] : "";
    enum conv_method method = strcmp(name, "f4") == 0   ? CONV_F4
                              : strcmp(name, "f2") == 0 ? CONV_F2
                                                        : CONV_DIRECT;
    if (argc < 5 || argc > 6 || (argc == 6 && (method == CONV_DIRECT || kernel != 3)) ||
        given[0] < 1 || given[2] < 1 || kernel < 1 || out < 1) {
        fprintf(stderr, "usage: bench-tiles IN_CHANNELS IN_SIDE OUT_CHANNELS KERNEL [f2|f4]\n");
        return 2;
    }
    conv_shape s = {.in_channels = given[0],
                    .in_height = side,
                    .in_width = side,
                    .out_channels = given[2],
                    .out_height = out,
                    .out_width = out,
                    .kernel = kernel,
                    .stride = 1};
    if (method != CONV_DIRECT) {
        print_winograd(&s, method);
        return 0;
    }
    conv_tiling tiling = conv_plan_make(&s, CONV_DIRECT, NULL).tiling;
    conv_shape alone = s; /* with one in channel: an item for each group of out channels */
    alone.in_channels = 1;
    printf("%d %d %zu\n", tiling.channels, tiling.pixels,
           conv_gradient_plan_make(&alone, CONV_DIRECT, 1).n_items);
    return 0;
}
