#include "pack.h"

#include "base/memory.h"

#include <string.h>
#include <sys/stat.h>

typedef struct block {
    void *at; /* of the pointer to n elements */
    size_t n, n_bytes;
} block;

enum { N_BLOCKS = 12 };

/* false when the numbers are too large for any memory. */
static bool list_blocks(record_file *f, block blocks[N_BLOCKS])
{
    size_t n_rows, n_pairs, n_labels, n_client_labels, n_client_rows;
    const size_t n_classes = (size_t)f->n_classes;
    if (f->n_classes < 0 || !memory_multiply(f->n_rounds, f->n_ranks, &n_rows) ||
        !memory_multiply(n_classes, n_classes, &n_pairs) ||
        !memory_multiply(f->n_ranks, n_classes, &n_labels) ||
        !memory_multiply(f->n_clients, n_classes, &n_client_labels) ||
        !memory_multiply(f->n_rounds, f->n_clients, &n_client_rows))
        return false;
    const block all[N_BLOCKS] = {
        {&f->rounds, f->n_rounds, sizeof *f->rounds},
        {&f->ranks, n_rows, sizeof *f->ranks},
        {&f->tests, f->n_rounds, sizeof *f->tests},
        {&f->machines, f->n_ranks, sizeof *f->machines},
        {&f->tensors, f->n_tensors, sizeof *f->tensors},
        {&f->confusion, n_pairs, sizeof *f->confusion},
        {&f->labels, n_labels, sizeof *f->labels},
        {&f->class_names, n_classes, sizeof *f->class_names},
        {&f->interruptions, f->n_interruptions, sizeof *f->interruptions},
        {&f->clients, f->n_clients, sizeof *f->clients},
        {&f->client_labels, n_client_labels, sizeof *f->client_labels},
        {&f->client_rounds, n_client_rows, sizeof *f->client_rounds},
    };
    memcpy(blocks, all, sizeof all);
    return true;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_text(const char *text, FILE *out)
{
    size_t n_bytes = strlen(text);
    fwrite(&n_bytes, sizeof n_bytes, 1, out);
    fwrite(text, 1, n_bytes, out);
}

static void write_pairs(const record_pair *pairs, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        write_text(pairs[i].name, out);
        write_text(pairs[i].value, out);
    }
}

void pack_write(record_file *self, FILE *out)
{
    block blocks[N_BLOCKS];
    fwrite(self, sizeof *self, 1, out);
    for (size_t i = 0; list_blocks(self, blocks) && i < N_BLOCKS; i++) {
        void *from;
        memcpy(&from, blocks[i].at, sizeof from);
        if (from) /* what was not read is not there */
            fwrite(from, blocks[i].n_bytes, blocks[i].n, out);
    }
    write_text(self->model_text ? self->model_text : "", out);
    write_pairs(self->config, self->n_config, out);
    write_pairs(self->build, self->n_build, out);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct unpacking {
    FILE *in;
    size_t left; /* bytes: nothing is taken for more */
    error *err;
} unpacking;

static void *read_elements(unpacking *self, size_t n, size_t n_bytes)
{
    size_t total;
    if (!memory_multiply(n, n_bytes, &total) || total > self->left)
        return NULL;
    void *to = memory_new(total + 1, 1, self->err); /* the last byte ends a text */
    if (to && fread(to, 1, total, self->in) == total) {
        self->left -= total;
        return to;
    }
    memory_free(to);
    return NULL;
}

static char *read_text(unpacking *self)
{
    size_t n_bytes;
    if (self->left < sizeof n_bytes || fread(&n_bytes, sizeof n_bytes, 1, self->in) != 1)
        return NULL;
    self->left -= sizeof n_bytes;
    return read_elements(self, n_bytes, 1);
}

static bool read_pairs(unpacking *self, size_t wanted, record_pair **pairs, size_t *n)
{
    if (wanted > self->left / sizeof **pairs) /* each has two lengths at least */
        return false;
    *pairs = memory_new(wanted, sizeof **pairs, self->err);
    for (bool good = *pairs; good && *n < wanted; (*n)++) {
        record_pair *pair = &(*pairs)[*n];
        good = (pair->name = read_text(self)) && (pair->value = read_text(self));
    }
    return *pairs && *n == wanted && (wanted == 0 || (*pairs)[wanted - 1].value);
}

/* The other process's pointers only tell what is there. */
static bool read_blocks(unpacking *self, record_file *out)
{
    block blocks[N_BLOCKS];
    bool there[N_BLOCKS], good = true;
    const void *const none = NULL;
    if (!list_blocks(out, blocks)) {
        memset(out, 0, sizeof *out);
        return false;
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        const void *from;
        memcpy(&from, blocks[i].at, sizeof from);
        there[i] = from != NULL;
        memcpy(blocks[i].at, &none, sizeof none);
    }
    for (size_t i = 0; good && i < N_BLOCKS; i++) {
        void *to = there[i] ? read_elements(self, blocks[i].n, blocks[i].n_bytes) : NULL;
        memcpy(blocks[i].at, &to, sizeof to);
        good = to || !there[i];
    }
    return good;
}

#define END(text) ((text)[sizeof(text) - 1] = '\0')

/* HDF5 may have spoilt the other process without ending it. */
static bool check_rows(record_file *f)
{
    for (size_t i = 0; f->machines && i < f->n_ranks; i++) {
        record_machine *m = &f->machines[i];
        END(m->host);
        END(m->cpu);
        END(m->binding);
        END(m->simd);
    }
    for (int i = 0; f->class_names && i < f->n_classes; i++)
        END(f->class_names[i]);
    for (size_t i = 0; f->tensors && i < f->n_tensors; i++) {
        END(f->tensors[i].name);
        END(f->tensors[i].algorithm);
        if (f->tensors[i].n_dims < 0 || f->tensors[i].n_dims > TENSOR_MAX_DIMS)
            return false;
    }
    return true;
}

static bool read_head(unpacking *self, record_file *out)
{
    if (self->left < sizeof *out || fread(out, sizeof *out, 1, self->in) != 1) {
        memset(out, 0, sizeof *out);
        return false;
    }
    self->left -= sizeof *out;
    out->config = out->build = NULL; /* pointers of another process; the others in read_blocks */
    out->model_text = NULL;
    return true;
}

record_file *pack_read(const char *path, FILE *in, error *err)
{
    struct stat status;
    record_file *out = memory_new(1, sizeof *out, err);
    unpacking self = {.in = in, .err = err};
    if (fstat(fileno(in), &status) == 0)
        self.left = (size_t)status.st_size;
    bool good = out && read_head(&self, out);
    size_t n_config = good ? out->n_config : 0, n_build = good ? out->n_build : 0;
    if (good)
        out->n_config = out->n_build = 0;
    good = good && read_blocks(&self, out) && check_rows(out) &&
           (out->model_text = read_text(&self)) &&
           read_pairs(&self, n_config, &out->config, &out->n_config) &&
           read_pairs(&self, n_build, &out->build, &out->n_build);
    if (good)
        return out;
    error_user(err, "%s: is damaged: what HDF5 reads from it does not add up", path);
    record_file_free(out);
    return NULL;
}
