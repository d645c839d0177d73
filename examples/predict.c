/* predict MODEL.h5 PICTURE.ppm...: what a network takes pictures for: PPM files (P6) of the size that it takes. */
#include <bramble.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    enum { PIXELS = 1 << 20, CLASSES = 1000 };
    static unsigned char read[3 * PIXELS], image[3 * PIXELS];
    float share[CLASSES];
    bramble_error err = {2, "usage: predict MODEL.h5 PICTURE.ppm..."};
    bramble_model *model = argc > 2 ? bramble_load(argv[1], &err) : NULL;
    for (int k = 2, width, height; model && !err.kind && k < argc; k++) {
        FILE *file = fopen(argv[k], "rb");
        size_t plane = (size_t)bramble_height(model) * (size_t)bramble_width(model), best = 0;
        if (!file || fscanf(file, "P6 %d %d 255%*c", &width, &height) != 2 || plane > PIXELS ||
            width != bramble_width(model) || height != bramble_height(model) ||
            fread(read, 3, plane, file) != plane || bramble_channels(model) != 3 ||
            bramble_classes(model) > CLASSES)
            err = (bramble_error){2, "no PPM file of the size that the model takes"};
        for (size_t j = 0; !err.kind && j < 3 * plane; j++) /* a plane for each colour */
            image[j % 3 * plane + j / 3] = read[j];
        if (!err.kind && bramble_predict(model, image, 1, share, &err)) {
            for (size_t c = 1; c < (size_t)bramble_classes(model); c++)
                best = share[c] > share[best] ? c : best;
            printf("%s: %s, %.4f\n", argv[k], bramble_class_name(model, (int)best), share[best]);
        }
        if (file)
            fclose(file);
    }
    if (err.kind)
        fprintf(stderr, "predict: %s\n", err.text);
    bramble_free(model);
    return err.kind;
}
