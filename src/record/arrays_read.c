#include "record/arrays.h"

#include "base/child.h"
#include "base/memory.h"

#include "direct.h"

#include <stdio.h>
#include <string.h>

typedef struct request {
    const char *path;
    const record_taker *to;
} request;

static bool work(void *arg, FILE *out, error *err)
{
    const request *r = arg;
    return direct_read_arrays(r->path, r->to->pair_names, out, err);
}

static bool refuse(const char *path, error *err)
{
    return error_user(err, "%s: is damaged: its arrays do not add up", path);
}

static bool take_pair(const request *r, const direct_array_head *head, FILE *in, error *err)
{
    if (head->dims[0] > RECORD_PAIR_BYTES)
        return refuse(r->path, err);
    char *value = memory_new(head->dims[0] + 1, 1, err);
    bool good = value &&
                (fread(value, 1, head->dims[0], in) == head->dims[0] || refuse(r->path, err)) &&
                r->to->pair(r->to->arg, head->name, value, err);
    memory_free(value);
    return good;
}

static bool take_array(const request *r, const direct_array_head *head, size_t *left, FILE *in,
                       error *err)
{
    size_t n = 1;
    float *values = NULL;
    record_named what = {.name = head->name, .n_dims = head->n_dims, .dims = head->dims};
    if (head->n_dims < 0 || head->n_dims > RECORD_NAMED_DIMS)
        return refuse(r->path, err);
    for (int i = 0; i < head->n_dims; i++)
        if (!memory_multiply(n, head->dims[i], &n))
            return refuse(r->path, err);
    if (head->floats && n > *left)
        return refuse(r->path, err);
    *left -= head->floats ? n : 0;
    return r->to->array(r->to->arg, &what, head->floats != 0, &values, err) &&
           (!head->floats || fread(values, sizeof *values, n, in) == n || refuse(r->path, err));
}

bool record_read_arrays(const char *path, const record_taker *to, error *err)
{
    request r = {path, to};
    direct_array_head head;
    size_t left = RECORD_NAMED_COUNT;
    FILE *in = child_run(&(child_task){path, "HDF5", 0}, work, &r, err);
    bool good = in != NULL;
    while (good && fread(&head, sizeof head, 1, in) == 1) {
        head.name[sizeof head.name - 1] = '\0';
        good = head.kind == DIRECT_PAIR ? take_pair(&r, &head, in, err)
                                        : take_array(&r, &head, &left, in, err);
    }
    if (in)
        fclose(in);
    return good;
}
