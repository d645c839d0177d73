#include "base/ini.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "predict_parts.h"

#include <stdio.h>
#include <string.h>

/* A line each; empty ones at the end are none. */
static bool read_names(predict_names *self, const char *path, error *err)
{
    char *text = ini_read_file(path, err);
    if (!text)
        return false;
    size_t n_lines = 1;
    for (const char *at = text; *at; at++)
        n_lines += *at == '\n';
    self->names = memory_new(n_lines, sizeof *self->names, err);
    for (char *line = text, *next = text; self->names && next; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        utf8_mend(line); /* names go to terminals */
        if (line[0])
            snprintf(self->names[self->n++], sizeof *self->names, "%.*s",
                     (int)utf8_fit(line, strlen(line), sizeof *self->names - 1), line);
    }
    memory_free(text);
    return self->names != NULL;
}

static bool copy_names(predict_names *self, const saved_model *of, error *err)
{
    self->names = memory_new((size_t)of->n_class_names, sizeof *self->names, err);
    if (!self->names)
        return false;
    memcpy(self->names, of->class_names, (size_t)of->n_class_names * sizeof *self->names);
    self->n = of->n_class_names;
    return true;
}

bool predict_names_init(predict_names *self, const saved_model *of, const char *path, error *err)
{
    const int n = of->model->n_classes;
    *self = (predict_names){0};
    if (!path[0] && (!of->class_names || of->n_class_names != n))
        return error_user(err,
                          "%s: does not say what its %d classes are: name them by --classes FILE, "
                          "a line each",
                          of->file, n);
    if (!(path[0] ? read_names(self, path, err) : copy_names(self, of, err)))
        return false;
    return self->n == n || error_user(err, "--classes %s: %d names, but the model tells %d apart",
                                      path, self->n, n);
}

void predict_names_release(predict_names *self)
{
    memory_free(self->names);
    *self = (predict_names){0};
}

const char *predict_names_name(const void *self, int c)
{
    return ((const predict_names *)self)->names[c];
}
