/*
 * tiles: how a convolution is cut on the target this was built for; for tools/bench-static.
 * usage: bench-tiles IN_CHANNELS IN_SIDE OUT_CHANNELS KERNEL
 * Prints the largest tile of the forward pass, channels and pixels, and the gradient's groups of channels.
 */
#include "kernels/conv.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int given[4];
    for (int k = 0; k < 4; k++)
        given[k] = k + 1 < argc ? atoi(argv[k + 1]) : 0;
    int side = given[1], kernel = given[3], out = side - kernel + 1;
    if (argc != 5 || given[0] < 1 || given[2] < 1 || kernel < 1 || out < 1) {
        fprintf(stderr, "usage: bench-tiles IN_CHANNELS IN_SIDE OUT_CHANNELS KERNEL\n");
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
    conv_tiling tiling = conv_plan_make(&s, CONV_DIRECT, NULL).tiling;
    conv_shape alone = s; /* with one in channel: an item for each group of out channels */
    alone.in_channels = 1;
    printf("%d %d %zu\n", tiling.channels, tiling.pixels,
           conv_gradient_plan_make(&alone, CONV_DIRECT).n_items);
    return 0;
}
