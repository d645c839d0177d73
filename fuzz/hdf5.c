/* Result files, weights, checkpoints and files of tables. */
#include "fuzz.h"

#include "base/memory.h"
#include "record/direct.h"
#include "record/seal.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Of HDF5, which does not declare it for others: the checksum of metadata. */
uint32_t H5_checksum_metadata(const void *data, size_t n, uint32_t start);

/* HDF5 leaves behind what it could not close; once in a while that is too much. */
static void tidy(void)
{
    static unsigned n_reads;
    if (fuzz_direct && ++n_reads % 512 == 0)
        H5close();
}

static void check(bool good, const error *err)
{
    fuzz_need(good == (err->kind == ERROR_NONE), "success and an error, or neither");
    fuzz_need(good || (err->text[0] && strlen(err->text) < sizeof err->text),
              "an error without a text");
    fuzz_need(good || fuzz_direct || err->kind == ERROR_USER, "a bad file is the user's mistake");
}

static void use(const record_file *file)
{
    size_t sum = 0;
    for (size_t i = 0; i < file->n_config; i++)
        sum += strlen(file->config[i].name) + strlen(file->config[i].value);
    for (size_t i = 0; i < file->n_build; i++)
        sum += strlen(file->build[i].name) + strlen(file->build[i].value);
    for (size_t i = 0; i < file->n_ranks; i++)
        sum += strlen(file->machines[i].host) + strlen(file->machines[i].cpu);
    for (size_t i = 0; i < file->n_tensors; i++)
        fuzz_need(file->tensors[i].n_dims >= 1 && file->tensors[i].n_dims <= TENSOR_MAX_DIMS,
                  "dims");
    for (int i = 0; i < file->n_classes; i++)
        sum += strlen(file->class_names[i]);
    fuzz_need(file->n_rounds <= file->n_rounds_planned &&
                  sum + strlen(file->model_text) < SIZE_MAX / 2,
              "rounds");
}

void fuzz_result(const uint8_t *data, size_t n)
{
    error err = {0};
    const char *path = fuzz_file(data, n);
    record_file *file = (fuzz_direct ? direct_read : record_read)(path, &err);
    check(file != NULL, &err);
    if (file)
        use(file);
    record_file_free(file);
    tidy();
}

static bool take_array(void *arg, const record_named *what, bool floats, float **values, error *err)
{
    size_t n = 1;
    float **room = arg;
    for (int i = 0; i < what->n_dims; i++)
        n *= what->dims[i];
    fuzz_need(what->n_dims <= RECORD_NAMED_DIMS && n <= RECORD_NAMED_COUNT, "an array's dims");
    free(*room);
    *values = *room = floats ? malloc(n * sizeof **room + 1) : NULL;
    return !floats || *values || error_environment(err, "out of memory");
}

static bool take_pair(void *arg, const char *name, const char *value, error *err)
{
    (void)arg;
    (void)err;
    fuzz_need(strlen(name) + strlen(value) < SIZE_MAX / 2, "a pair");
    return true;
}

/* All arrays of the root, whatever their names. */
static void read_arrays(const char *path)
{
    static const char *const names[] = {"model", "class_names", NULL};
    error err = {0};
    float *room = NULL;
    if (fuzz_direct) {
        FILE *out = fopen("/dev/null", "w");
        check(out && direct_read_arrays(path, names, out, &err), &err);
        fclose(out);
    } else {
        check(record_read_arrays(path, &(record_taker){&room, take_array, take_pair, names}, &err),
              &err);
    }
    free(room);
}

/* The net of the seeds. */
void fuzz_weights(const uint8_t *data, size_t n)
{
    static const tensor tensors[] = {
        {"conv1.weight", 4, {2, 3, 2, 2}, 0, 24, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, "f4"},
        {"conv1.bias", 1, {2}, 24, 2, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""},
        {"fc.weight", 2, {10, 2}, 26, 20, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""},
        {"fc.bias", 1, {10}, 46, 10, TENSOR_TRAINED, {1, 1, TENSOR_ALWAYS}, ""},
    };
    float w[56];
    error err = {0};
    const char *path = fuzz_file(data, n);
    check((fuzz_direct ? direct_read_weights : record_read_weights)(path, tensors, 4, w, &err),
          &err);
    read_arrays(path);
    tidy();
}

/* Sealed as it is: that what is torn has no right checksum is test_checkpoint.c's. */
void fuzz_checkpoint(const uint8_t *data, size_t n)
{
    error err = {0}, warning = {0};
    seal end = {.mark = SEAL_MARK, .n_bytes = n};
    uint8_t *sealed = malloc(n + sizeof end);
    fuzz_need(sealed != NULL, "out of memory");
    if (n > 0)
        memcpy(sealed, data, n);
    end.crc = (uint32_t)crc32(crc32(0, NULL, 0), sealed, (uInt)n);
    memcpy(sealed + n, &end, sizeof end);
    const char *path = fuzz_file(sealed, n + sizeof end);
    checkpoint_file *file =
        fuzz_direct ? direct_read_checkpoint(path, &err) : checkpoint_read(path, &warning, &err);
    check(file != NULL, &err);
    if (file) {
        use(file->past);
        double sum = (double)strlen(file->out);
        for (size_t k = 0; k < file->n_vectors; k++) {
            const checkpoint_values *v = &file->vectors[k];
            sum += (double)strlen(v->name);
            for (size_t i = 0; i < v->n * (v->n_rows > 0 ? v->n_rows : 1); i++)
                sum += (double)v->values[i];
        }
        fuzz_need(sum - sum == 0.0, "a number that is not finite"); // NOLINT: that is what it asks
    }
    checkpoint_file_free(file);
    free(sealed);
    tidy();
}

/* Every byte of the values, and the end of every text. */
static void use_values(const record_values *one)
{
    double sum = 0.0;
    fuzz_need(one->type == RECORD_TEXT || one->n_bytes == 8, "size of a number");
    for (size_t i = 0; i < one->n; i++) {
        const char *at = (const char *)one->values + i * one->n_bytes;
        int64_t whole;
        memcpy(&whole, at, one->type == RECORD_TEXT ? 0 : sizeof whole);
        if (one->type == RECORD_TEXT)
            fuzz_need(memchr(at, '\0', one->n_bytes) != NULL, "a text without an end");
        else
            sum += (double)(whole & 1);
    }
    fuzz_need(sum <= (double)one->n, "sum");
}

void fuzz_table(const uint8_t *data, size_t n)
{
    error err = {0};
    bool is_one;
    record_values_list list;
    const char *path = fuzz_file(data, n);
    bool good = (fuzz_direct ? direct_read_tables : record_read_tables)(
        path, RECORD_DOCTOR, "/doctor", &is_one, &list, &err);
    check(good, &err);
    fuzz_need(good || (list.n == 0 && !list.all), "a failure leaves nothing");
    fuzz_need(is_one || list.n == 0, "values of a file of another format");
    for (size_t i = 0; i < list.n; i++)
        use_values(&list.all[i]);
    record_values_free(&list);
    tidy();
}

/* ---- checksums ------------------------------------------------------------------------------- */

static void mend(uint8_t *data, size_t n, size_t at, size_t length)
{
    if (at > n || length > n - at || n - at - length < 4)
        return;
    uint32_t sum = H5_checksum_metadata(data + at, length, 0);
    memcpy(data + at + length, &sum, sizeof sum);
}

/* "OHDR", version 2, flags: then times, phase changes, and the size of the first chunk. */
static size_t header_bytes(const uint8_t *at, size_t left)
{
    if (left < 64)
        return 0;
    unsigned flags = at[5], width = 1U << (flags & 3);
    size_t prefix = 6 + (flags & 0x20 ? 16U : 0U) + (flags & 0x10 ? 4U : 0U);
    uint64_t size = 0;
    memcpy(&size, at + prefix, width);
    return size < left ? prefix + width + (size_t)size : 0;
}

void fuzz_mend_hdf5(uint8_t *data, size_t n)
{
    static const struct {
        const char *signature;
        size_t length; /* 0: of an object header */
    } kinds[] = {{"OHDR", 0}, {"BTHD", 34}, {"FRHP", 142}};
    for (size_t at = 0; at + 48 <= n; at++) {
        if (memcmp(data + at, "\x89HDF\r\n\x1a\n", 8) == 0 && data[at + 8] >= 2)
            mend(data, n, at, 44);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (memcmp(data + at, kinds[k].signature, 4) != 0)
                continue;
            size_t length = kinds[k].length ? kinds[k].length : header_bytes(data + at, n - at);
            if (length > 0)
                mend(data, n, at, length);
        }
    }
}
