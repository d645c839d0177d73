#include "record/images.h"

#include "base/child.h"
#include "base/memory.h"
#include "direct.h"

#include <string.h>

typedef struct description {
    const char *path, *name;
} description;

static bool work_describe(void *arg, FILE *out, error *err)
{
    const description *of = arg;
    record_array what;
    return direct_array_describe(of->path, of->name, &what, err) &&
           (fwrite(&what, sizeof what, 1, out) == 1 ||
            true); /* child_run sees the stream's error */
}

bool record_array_describe(const char *path, const char *name, record_array *what, error *err)
{
    description of = {path, name};
    FILE *in = child_run(&(child_task){path, "HDF5", 0}, work_describe, &of, err);
    if (!in)
        return false;
    bool good = fread(what, sizeof *what, 1, in) == 1;
    fclose(in);
    what->type[sizeof what->type - 1] = '\0';
    return good || error_user(err, "%s: is damaged: %s cannot be described", path, name);
}

static bool work_read(void *arg, FILE *out, error *err)
{
    const record_wanted *what = arg;
    uint8_t *to = memory_new(what->n, what->n_bytes, err);
    bool good = to && direct_array_read(what, to, err);
    if (good)
        fwrite(to, what->n_bytes, what->n, out);
    memory_free(to);
    return good;
}

bool record_array_read(const record_wanted *what, void *to, error *err)
{
    size_t n_bytes;
    if (!memory_multiply(what->n, what->n_bytes, &n_bytes))
        return error_environment(err, "%s: %s does not fit in memory", what->path, what->name);
    /* What is read is in the child's memory, and then in the stream's. */
    FILE *in = child_run(&(child_task){what->path, "HDF5", n_bytes > 0 ? n_bytes : 1}, work_read,
                         (void *)what, err);
    if (!in)
        return false;
    bool good = fread(to, 1, n_bytes, in) == n_bytes;
    fclose(in);
    return good || error_user(err, "%s: is damaged: %s does not add up", what->path, what->name);
}
