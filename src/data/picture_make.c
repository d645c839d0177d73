#include "base/memory.h"
#include "data/picture.h"
#include "picture_parts.h"

bool picture_make(picture *self, uint64_t height, uint64_t width, error *err)
{
    if (height == 0 || width == 0)
        return error_user(err, "%s: a damaged picture (without a size)", self->name);
    if (height > PICTURE_MAX_SIDE || width > PICTURE_MAX_SIDE ||
        height * width > PICTURE_MAX_PIXELS)
        return error_user(err,
                          "%s: a picture of %llu x %llu pixels: at most %d million, and sides of "
                          "%d, are taken; make it smaller",
                          self->name, (unsigned long long)width, (unsigned long long)height,
                          PICTURE_MAX_PIXELS / 1000000, PICTURE_MAX_SIDE);
    self->height = (int)height;
    self->width = (int)width;
    self->pixels = memory_new((size_t)(height * width), 3, err);
    return self->pixels || error_prefix(err, "%s", self->name);
}
