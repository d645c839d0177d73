/*
 * logits_driver - what a trained model gives for images: tests/system/test_onnx.py
 *
 * logits_driver RESULT.h5 IMAGES N reads N images [channels][height][width] of bytes and writes the logits, floats
 * [N][classes], to stdout; a single process.
 */
#include "base/memory.h"
#include "check.h"
#include "exchange/exchange.h"
#include "model/network.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct pictures {
    const uint8_t *bytes;
    layer_shape shape;
    const input_rule *rule;
} pictures;

/* x = (byte - middle) * scale, channel by channel */
static void load(void *arg, size_t first, size_t n, float *x, uint16_t *labels)
{
    const pictures *self = arg;
    size_t plane = (size_t)self->shape.height * (size_t)self->shape.width, c = 0;
    size_t features = layer_features(self->shape);
    for (int r = 0; r < self->rule->n_runs; r++)
        for (int i = 0; i < self->rule->runs[r].n_channels; i++, c++)
            for (size_t k = c * plane; k < (c + 1) * plane; k++)
                for (size_t lane = 0; lane < VEC_WIDTH; lane++) {
                    float byte = lane < n ? self->bytes[(first + lane) * features + k] : 0.0F;
                    x[k * VEC_WIDTH + lane] =
                        (byte - self->rule->runs[r].middle) * self->rule->runs[r].scale;
                }
    for (size_t lane = 0; lane < n; lane++)
        labels[lane] = 0;
}

int main(int argc, char **argv)
{
    error err = {0};
    CHECK(argc == 4);
    exchange_model *from = exchange_model_open(argv[1], &err);
    CHECK(from);
    model *m = model_new(argv[1], from->text, &err);
    CHECK(m);
    size_t n = strtoul(argv[3], NULL, 10), n_bytes = n * layer_features(m->input);
    uint8_t *bytes = memory_new(n_bytes, 1, &err);
    FILE *file = fopen(argv[2], "rb");
    CHECK(bytes && file && fread(bytes, 1, n_bytes, file) == n_bytes);
    fclose(file);
    input_rule rule;
    network *net = network_new(m, n, false, 1, &err);
    CHECK(input_rule_init(&rule, &from->input, &err) && net);
    pictures all = {bytes, m->input, &rule};
    network_forward(net, from->w, &(network_input){.load = load, .arg = &all}, n);
    for (size_t k = 0; k < n; k++)
        for (int c = 0; c < m->n_classes; c++) {
            float logit = network_logit(net, k, c);
            fwrite(&logit, sizeof logit, 1, stdout);
        }
    network_free(net);
    input_rule_release(&rule);
    memory_free(bytes);
    model_free(m);
    exchange_model_free(from);
    return 0;
}
