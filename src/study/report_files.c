#include "base/memory.h"
#include "report_parts.h"

#include <stdint.h>
#include <stdio.h>

void report_title(const report_options *o, size_t k, const record_file *file)
{
    if (o->n_files > 1) {
        fputs(k > 0 ? "\n" : "", stdout);
        report_text(o->files[k], 0);
        putchar('\n');
    }
    if (*record_simulated(file)) {
        fputs("simulated: ", stdout);
        report_text(record_simulated(file), 0);
        putchar('\n');
    }
}

record_file **report_read(const report_options *o, error *err)
{
    record_file **files = memory_new(o->n_files, sizeof *files, err);
    for (size_t k = 0; files && k < o->n_files; k++)
        if (!(files[k] = record_read(o->files[k], err))) {
            report_forget(o, files);
            return NULL;
        }
    return files;
}

void report_forget(const report_options *o, record_file **files)
{
    for (size_t k = 0; files && k < o->n_files; k++)
        record_file_free(files[k]);
    memory_free(files);
}

bool report_each(const report_options *o, const report_form *form, error *err)
{
    record_file **files = report_read(o, err);
    report_list list = {o->format, form->columns, form->n_columns, SIZE_MAX, NULL};
    const bool table = o->format == REPORT_TABLE;
    bool good = files != NULL;
    for (size_t k = 0; k < o->n_files && good; k++)
        good = form->check(o->files[k], files[k], err);
    if (good && !table)
        report_list_begin(&list);
    for (size_t k = 0; k < o->n_files && good; k++) {
        if (!table) {
            form->add(&list, o->files[k], files[k]);
            continue;
        }
        report_title(o, k, files[k]);
        good = form->print(o->files[k], files[k], err);
    }
    good = good && (table || report_list_end(&list, err));
    report_forget(o, files);
    return good;
}
