#include "record/checkpoint.h"

#include "direct.h"
#include "pack.h"

#include "base/child.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* From the process that reads it: this, the vectors, the name, and the rows. */
typedef struct head {
    record_position position;
    size_t n_vectors, n_out;
} head;

static size_t n_floats(const checkpoint_values *v)
{
    return v->n * (v->n_rows > 0 ? v->n_rows : 1);
}

static bool work(void *arg, FILE *to, error *err)
{
    checkpoint_file *out = direct_read_checkpoint(arg, err);
    if (!out)
        return false;
    head all = {out->position, out->n_vectors, strlen(out->out)};
    fwrite(&all, sizeof all, 1, to);
    for (size_t i = 0; i < out->n_vectors; i++) {
        const checkpoint_values *v = &out->vectors[i];
        fwrite(v, sizeof *v, 1, to);
        fwrite(v->values, sizeof *v->values, n_floats(v), to);
    }
    fwrite(out->out, 1, all.n_out, to);
    pack_write(out->past, to);
    checkpoint_file_free(out);
    return true;
}

static void *take(FILE *in, size_t n, size_t n_bytes, error *err)
{
    char *to = memory_new(n + 1, n_bytes, err); /* the last byte ends a text */
    if (to && fread(to, n_bytes, n, in) == n)
        return to;
    memory_free(to);
    return NULL;
}

static bool take_vector(FILE *in, size_t most_bytes, checkpoint_values *v, error *err)
{
    size_t n, n_bytes;
    bool good = fread(v, sizeof *v, 1, in) == 1;
    v->values = NULL; /* a pointer of another process */
    v->name[sizeof v->name - 1] = '\0';
    return good && memory_multiply(v->n, v->n_rows > 0 ? v->n_rows : 1, &n) &&
           memory_multiply(n, sizeof *v->values, &n_bytes) && n_bytes <= most_bytes &&
           (v->values = take(in, n, sizeof *v->values, err));
}

static bool unpack(checkpoint_file *out, FILE *in, error *err)
{
    struct stat status;
    head all;
    if (fstat(fileno(in), &status) != 0 || fread(&all, sizeof all, 1, in) != 1 ||
        all.n_vectors > DIRECT_MAX_VECTORS || all.n_out > DIRECT_MAX_OUT_BYTES)
        return false;
    out->position = all.position;
    out->vectors = memory_new(all.n_vectors, sizeof *out->vectors, err);
    bool good = out->vectors != NULL;
    while (good && out->n_vectors < all.n_vectors)
        good = take_vector(in, (size_t)status.st_size, &out->vectors[out->n_vectors++], err);
    return good && (out->out = take(in, all.n_out, 1, err)) &&
           (out->past = pack_read(out->path, in, err)) && direct_check_position(out, err);
}

static checkpoint_file *read_one(const char *path, error *err)
{
    FILE *in = child_run(&(child_task){path, "HDF5", 0}, work, (void *)path, err);
    checkpoint_file *out = in ? memory_new(1, sizeof *out, err) : NULL;
    bool good = out && (out->path = memory_new(strlen(path) + 1, 1, err)) &&
                strcpy(out->path, path) && unpack(out, in, err);
    if (in)
        fclose(in);
    if (good)
        return out;
    error_user(err, "%s: is damaged: what HDF5 reads from it does not add up", path);
    checkpoint_file_free(out);
    return NULL;
}

checkpoint_file *checkpoint_read(const char *path, error *warning, error *err)
{
    error newest = {0}, older = {0};
    size_t room = strlen(path) + sizeof CHECKPOINT_PREVIOUS;
    char *previous = memory_new(room, 1, err);
    if (!previous)
        return NULL;
    snprintf(previous, room, "%s%s", path, CHECKPOINT_PREVIOUS);
    checkpoint_file *out = read_one(path, &newest);
    if (!out && (out = read_one(previous, &older))) {
        error_user(warning, "%.500s; going on from %.200s, of round %zu", newest.text, previous,
                   out->past->n_rounds);
    } else if (!out) {
        bool is_there = access(previous, F_OK) == 0;
        error_user(err, "%.500s%s%.200s", newest.text,
                   is_there ? "; nor can the previous be used: " : "", is_there ? older.text : "");
    }
    memory_free(previous);
    return out;
}
