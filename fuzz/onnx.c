/* Graphs in ONNX files. */
#include "fuzz.h"

#include "base/memory.h"
#include "exchange/onnx.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_WEIGHTS = 1 << 16 };

/* What is accepted is a model file that can be parsed, or is refused in a line, and weights that fit or do not. */
static void look_at(const exchange_file *file)
{
    error err = {0};
    fuzz_need(file->text != NULL, "a model file");
    model *m = model_new("x.ini", file->text, &err);
    fuzz_need((m != NULL) == (err.kind == ERROR_NONE), "a model and an error, or neither");
    float *w = m && m->n_weights <= MOST_WEIGHTS ? memory_new(m->n_weights, sizeof *w, NULL) : NULL;
    if (w) {
        bool good = exchange_fit(file, "x.onnx", m, w, &err);
        fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
    }
    memory_free(w);
    model_free(m);
}

void fuzz_onnx(const uint8_t *data, size_t n)
{
    error err = {0};
    exchange_file file = {0};
    bool good = onnx_read(data, n, &file, &err);
    fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
    if (good)
        look_at(&file);
    exchange_file_release(&file);
}
