#include "base/memory.h"
#include "report_parts.h"
#include "show/labels.h"

#include <stdio.h>

/* ---- a row for each worker and class: CSV, JSON --------------------------------------------------- */

static const report_column columns[] = {
    {"file", REPORT_TEXT, NULL, 0, 0, 0},    {"rank", REPORT_COUNT, NULL, 0, 0, 0},
    {"host", REPORT_TEXT, NULL, 0, 0, 0},    {"class", REPORT_TEXT, NULL, 0, 0, 0},
    {"images", REPORT_COUNT, NULL, 0, 0, 0},
};

static void add_rows(report_list *list, const char *path, const record_file *file, size_t rank)
{
    const record_machine *machine = &file->machines[rank];
    for (int c = 0; c < file->n_classes; c++) {
        const report_value values[] = {
            {0.0, path},
            {machine->rank, NULL},
            {0.0, machine->host},
            {0.0, file->class_names[c]},
            {(double)file->labels[rank * (size_t)file->n_classes + (size_t)c], NULL}};
        report_list_add(list, values);
    }
}

/* ---- a map: a line for each worker ----------------------------------------------------------------- */

static bool print_map(const report_options *o, size_t k, const record_file *file, error *err)
{
    const size_t n_classes = (size_t)file->n_classes;
    const char **names = memory_new(n_classes, sizeof *names, err);
    if (!names)
        return false;
    for (size_t c = 0; c < n_classes; c++)
        names[c] = file->class_names[c];
    if (o->n_files > 1) {
        fputs(k > 0 ? "\n" : "", stdout);
        report_text(o->files[k], 0);
        putchar('\n');
    }
    labels_heads("rank, host", names, n_classes);
    for (size_t r = 0; r < file->n_ranks; r++) {
        char name[96];
        snprintf(name, sizeof name, "%d %s", (int)file->machines[r].rank, file->machines[r].host);
        if (file->machines[r].is_worker)
            labels_line(name, file->labels + r * n_classes, names, n_classes);
    }
    memory_free(names);
    return true;
}

/* ---- together ------------------------------------------------------------------------------------- */

/* Files of former versions do not say. */
static bool check_labels(const char *path, const record_file *file, error *err)
{
    const size_t n = file->n_ranks * (size_t)file->n_classes;
    for (size_t i = 0; i < n; i++)
        if (file->labels[i] >= 0)
            return true;
    return error_user(
        err,
        "%s: does not tell which classes its workers have images of: a former version "
        "of bramble has written it",
        path);
}

static bool print_all(const report_options *o, record_file *const *files, error *err)
{
    report_list list = {o->format, columns, sizeof columns / sizeof *columns, SIZE_MAX, NULL};
    const bool map = o->format == REPORT_TABLE;
    if (!map)
        report_list_begin(&list);
    for (size_t k = 0; k < o->n_files; k++) {
        if (map && !print_map(o, k, files[k], err))
            return false;
        for (size_t r = 0; !map && r < files[k]->n_ranks; r++)
            if (files[k]->machines[r].is_worker)
                add_rows(&list, o->files[k], files[k], r);
    }
    return map || report_list_end(&list, err);
}

bool report_labels(const report_options *o, error *err)
{
    record_file **files = report_read(o, err);
    bool good = files != NULL;
    for (size_t k = 0; k < o->n_files && good; k++)
        good = check_labels(o->files[k], files[k], err);
    good = good && print_all(o, files, err);
    report_forget(o, files);
    return good;
}
