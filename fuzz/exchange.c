/* Models in files of other programs. */
#include "fuzz.h"

#include "exchange/exchange.h"

#include <string.h>

/* Every number, and the end of every text. */
static void use(const exchange_file *file)
{
    double sum = 0.0;
    size_t n = 0;
    for (size_t i = 0; i < file->n_arrays; i++) {
        const exchange_array *one = &file->arrays[i];
        fuzz_need(one->n_dims >= 0 && one->n_dims <= EXCHANGE_MAX_DIMS && one->name[0], "an array");
        n += one->values ? one->count : 0;
        for (size_t k = 0; one->values && k < one->count; k++)
            sum += (double)one->values[k];
    }
    volatile double all = sum; /* so that every number is looked at */
    (void)all;
    fuzz_need(n == file->n_floats, "numbers");
    for (int c = 0; c < file->n_classes; c++)
        fuzz_need(file->class_names[c][0] && strlen(file->class_names[c]) < RECORD_CLASS_BYTES,
                  "a class without a name");
    fuzz_need(!file->text || strlen(file->text) < SIZE_MAX, "text");
}

static void read_one(const exchange_format *format, const uint8_t *data, size_t n)
{
    error err = {0};
    exchange_file file = {0};
    bool good = format->read(fuzz_file(data, n), &file, &err);
    fuzz_need(good == (err.kind == ERROR_NONE), "success and an error, or neither");
    fuzz_need(good || err.text[0], "an error without a text");
    if (good)
        use(&file);
    exchange_file_release(&file);
}

/* The format, whatever its first bytes are. */
static void read_as(const char *suffix, const uint8_t *data, size_t n)
{
    for (int i = 0; exchange_formats[i]; i++)
        if (strcmp(exchange_formats[i]->suffix, suffix) == 0)
            read_one(exchange_formats[i], data, n);
}

void fuzz_safetensors(const uint8_t *data, size_t n)
{
    read_as(".safetensors", data, n);
}

void fuzz_npz_weights(const uint8_t *data, size_t n)
{
    read_as(".npz", data, n);
}
