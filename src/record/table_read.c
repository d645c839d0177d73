#include "record/table.h"

#include "direct.h"

#include "base/child.h"
#include "base/memory.h"

#include <stdio.h>
#include <sys/stat.h>

typedef struct request {
    const char *path, *format, *group;
} request;

/* The child: the head of each, and what it holds; the pointer in it means nothing to the parent. */
static bool work(void *arg, FILE *out, error *err)
{
    const request *asked = arg;
    record_values_list list;
    bool is_one;
    if (!direct_read_tables(asked->path, asked->format, asked->group, &is_one, &list, err))
        return false;
    fputc(is_one ? 't' : 'f', out);
    for (size_t i = 0; i < list.n; i++) {
        fwrite(&list.all[i], sizeof list.all[i], 1, out);
        fwrite(list.all[i].values, list.all[i].n_bytes, list.all[i].n, out);
    }
    record_values_free(&list);
    return true;
}

static bool take(FILE *in, size_t most, record_values *one, error *err)
{
    size_t n_bytes;
    one->values = NULL;
    if (one->type > RECORD_TEXT || one->type == RECORD_I32 || one->n_bytes == 0 ||
        !memory_multiply(one->n, one->n_bytes, &n_bytes) || n_bytes > most ||
        (one->type != RECORD_TEXT && one->n_bytes != 8) ||
        !(one->values = memory_new(one->n + 1, one->n_bytes, err)) ||
        fread(one->values, one->n_bytes, one->n, in) != one->n)
        return false;
    one->table[sizeof one->table - 1] = one->name[sizeof one->name - 1] = '\0';
    for (size_t i = 0; one->type == RECORD_TEXT && i < one->n; i++)
        ((char *)one->values)[(i + 1) * one->n_bytes - 1] = '\0';
    return true;
}

bool record_read_tables(const char *path, const char *format, const char *group, bool *is_one,
                        record_values_list *out, error *err)
{
    request asked = {path, format, group};
    struct stat status;
    *out = (record_values_list){0};
    *is_one = false;
    FILE *in = child_run(&(child_task){path, "HDF5", 0}, work, &asked, err);
    if (!in)
        return false;
    *is_one = getc(in) == 't';
    bool good = fstat(fileno(in), &status) == 0 &&
                (out->all = memory_new(DIRECT_MAX_VALUES, sizeof *out->all, err));
    while (good && out->n < DIRECT_MAX_VALUES &&
           fread(&out->all[out->n], sizeof *out->all, 1, in) == 1)
        good = take(in, (size_t)status.st_size, &out->all[out->n++], err) ||
               error_user(err, "%s: is damaged: what HDF5 reads from it does not add up", path);
    fclose(in);
    if (!good)
        record_values_free(out);
    return good;
}
