#include "data/source.h"
#include "data_parts.h"
#include "record/images.h"

#include <stdio.h>

static const char *class_name(void *from, int c)
{
    return source_class_name(from, c);
}

static bool read_piece(void *from, int split, size_t first, size_t n, uint8_t *images,
                       uint16_t *labels, error *err)
{
    return source_read(from, (enum split)split, first, n, images, labels, err);
}

bool data_pack(const data_options *options, error *err)
{
    source *from = source_open(options->data, options->seed, err);
    if (!from)
        return false;
    image_shape shape = source_shape(from);
    record_images what = {
        .count = {source_count(from, SPLIT_TRAIN), source_count(from, SPLIT_TEST)},
        .channels = shape.channels,
        .height = shape.height,
        .width = shape.width,
        .n_classes = shape.n_classes,
        .about = options->data,
        .from = from,
        .class_name = class_name,
        .read = read_piece,
    };
    bool good = record_write_images(options->out, options->force, &what, err);
    if (good)
        printf("%s: %zu training and %zu test images of %d x %d x %d, %d class%s\n", options->out,
               what.count[SPLIT_TRAIN], what.count[SPLIT_TEST], shape.channels, shape.height,
               shape.width, shape.n_classes, shape.n_classes == 1 ? "" : "es");
    source_free(from);
    return good;
}
