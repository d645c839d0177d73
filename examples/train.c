/* train MODEL.ini IMAGES.bin OUT.h5: an epoch on a file of CIFAR-10's binary form, a byte of label before each image. */
#include <bramble.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    enum { BATCH = 32, BYTES = 1 << 16 };
    static unsigned char images[BATCH * BYTES];
    uint16_t labels[BATCH];
    bramble_step step;
    bramble_error err = {2, "usage: train MODEL.ini IMAGES.bin OUT.h5"};
    bramble_model *model = argc == 4 ? bramble_new(argv[1], 1, &err) : NULL;
    FILE *file = model ? fopen(argv[2], "rb") : NULL;
    size_t bytes =
        model ? (size_t)(bramble_channels(model) * bramble_height(model) * bramble_width(model))
              : 0;
    bool good = file && bytes <= BYTES && bramble_set_optimizer(model, "adamw", &err) &&
                bramble_set(model, "threads", 2, &err) && bramble_set(model, "lr", 0.002, &err);
    for (size_t n = BATCH, batch = 0; good && n == BATCH; batch++) {
        for (n = 0; n < BATCH; n++) {
            int label = getc(file);
            if (label == EOF || fread(images + n * bytes, 1, bytes, file) != bytes)
                break;
            labels[n] = (uint16_t)label;
        }
        good = n == 0 || bramble_train(model, images, labels, n, &step, &err);
        if (good && n > 0 && batch % 10 == 0)
            printf("batch %zu: loss %.4f, accuracy %.3f\n", batch, step.loss, step.accuracy);
    }
    if (!good || !bramble_save(model, argv[3], false, &err))
        fprintf(stderr, "train: %s\n", err.kind ? err.text : "no images, or too large ones");
    if (file)
        fclose(file);
    bramble_free(model);
    return !good || err.kind ? 2 : 0;
}
