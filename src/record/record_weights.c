#include "record/record.h"

#include "base/child.h"

#include "direct.h"

#include <stdio.h>

typedef struct request {
    const char *path;
    const tensor *tensors;
    size_t n_tensors, n_weights;
    float *w;
} request;

static bool work(void *arg, FILE *out, error *err)
{
    request *r = arg;
    if (!direct_read_weights(r->path, r->tensors, r->n_tensors, r->w, err))
        return false;
    fwrite(r->w, sizeof *r->w, r->n_weights, out);
    return true;
}

bool record_read_weights(const char *path, const tensor *tensors, size_t n_tensors, float *w,
                         error *err)
{
    request r = {path, tensors, n_tensors, 0, w};
    for (size_t i = 0; i < n_tensors; i++)
        if (tensors[i].offset + tensors[i].count > r.n_weights)
            r.n_weights = tensors[i].offset + tensors[i].count;
    FILE *packed = child_run(&(child_task){path, "HDF5", 0}, work, &r, err);
    if (!packed)
        return false;
    bool good = fread(w, sizeof *w, r.n_weights, packed) == r.n_weights;
    fclose(packed);
    return good || error_user(err, "%s: is damaged: its weights do not add up", path);
}
