#include "study/report.h"

#include "base/memory.h"
#include "cases.h"
#include "report_parts.h"
#include "trace.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct reading {
    cases cases;
    record_file *first;                         /* finished: the others are compared with it */
    bool differs[OPTION_MAX];                   /* by line of option_train_table */
    const char *left_out[OPTION_ARGUMENTS_MAX]; /* why; NULL: it is not */
} reading;

/* Options that make no other training of it, or that the case tells. */
static bool is_beside(const char *name)
{
    static const char *const beside[] = {"out",    "force",      "quiet",
                                         "json",   "config",     "threads",
                                         "seed",   "checkpoint", "checkpoint-every",
                                         "resume", "stall"};
    for (size_t k = 0; k < sizeof beside / sizeof *beside; k++)
        if (strcmp(name, beside[k]) == 0)
            return true;
    return false;
}

static bool is_size(const record_file *first, const record_file *run)
{
    return first->summary.nodes == run->summary.nodes && first->summary.cores == run->summary.cores;
}

static void note_differences(reading *self, const record_file *run)
{
    const option_entry *table = option_train_table;
    for (size_t k = 0; table[k].name; k++) {
        if (case_keys_have(&self->cases.keys, &table[k]))
            continue;
        if (case_key_is_size(&table[k]))
            self->differs[k] = self->differs[k] || !is_size(self->first, run);
        else if (!is_beside(table[k].name) &&
                 strcmp(case_setting(self->first, &table[k]), case_setting(run, &table[k])) != 0)
            self->differs[k] = true;
    }
}

static void warn_of_differences(const reading *self)
{
    const option_entry *table = option_train_table;
    const case_keys *keys = &self->cases.keys;
    const char *before = "bramble: the runs also differ in ";
    for (size_t k = 0; table[k].name; k++)
        if (self->differs[k]) {
            fprintf(stderr, "%s%s%s", before, case_key_is_size(&table[k]) ? "" : "--",
                    case_key_title(&table[k]));
            before = ", ";
        }
    if (*before != ',')
        return;
    fputs("; to tell them apart: --by ", stderr);
    for (size_t k = 0; k < keys->n; k++)
        fprintf(stderr, "%s%s", k > 0 ? "," : "", keys->all[k]->name);
    for (size_t k = 0; table[k].name; k++)
        if (self->differs[k])
            fprintf(stderr, ",%s", table[k].name);
    fputc('\n', stderr);
}

/* Adds a run to its case when it has come to its end. */
static bool read_run(const char *path, reading *self, const char **left_out, error *err)
{
    record_file *file = record_read(path, err);
    if (!file)
        return false;
    if (file->summary.complete != 1.0)
        *left_out = "the run has not come to its end";
    else if (file->n_rounds == 0)
        *left_out = "it was imported, and no run";
    bool good = *left_out || cases_add(&self->cases, file, err);
    if (good && !*left_out && self->first)
        note_differences(self, file);
    if (good && !*left_out && !self->first)
        self->first = file;
    else
        record_file_free(file);
    return good;
}

/* All files; runs that have not come to their end are left out, and said to be. */
static bool read_runs(const report_options *o, reading *self, error *err)
{
    case_keys keys;
    if (!case_keys_set(&keys, o->by, err) || !cases_init(&self->cases, &keys, o->n_files, err))
        return false;
    for (size_t k = 0; k < o->n_files; k++)
        if (!read_run(o->files[k], self, &self->left_out[k], err))
            return false;
    if (self->cases.n == 0 && o->n_files == 1)
        return error_user(err, "%s: %s; bramble info tells more", o->files[0], self->left_out[0]);
    if (self->cases.n == 0)
        return error_user(
            err, "none of the %zu files, %s and so on, holds a run that has come to its end",
            o->n_files, o->files[0]);
    for (size_t k = 0; k < o->n_files; k++)
        if (self->left_out[k])
            fprintf(stderr, "bramble: %s: left out: %s\n", o->files[k], self->left_out[k]);
    warn_of_differences(self);
    return true;
}

/* ---- the reports ------------------------------------------------------------------------------- */

static bool print_cases(const report_options *o, error *err)
{
    reading *runs = memory_new(1, sizeof *runs, err);
    bool good = runs && read_runs(o, runs, err) && cases_finish(&runs->cases, o->base, err) &&
                report_cases(&runs->cases, o->format, err);
    if (runs) {
        cases_release(&runs->cases);
        record_file_free(runs->first);
    }
    memory_free(runs);
    return good;
}

static bool write_trace(const report_options *o, error *err)
{
    if (o->n_files > 1)
        return error_user(err, "--trace %.200s: takes one run, not %zu", o->trace, o->n_files);
    record_file *file = record_read(o->files[0], err);
    bool good = file && trace_write(o->trace, file, err);
    record_file_free(file);
    return good;
}

bool report_print(const report_options *o, error *err)
{
    if (o->trace[0])
        return write_trace(o, err);
    if (o->labels)
        return report_labels(o, err);
    if (o->clients)
        return report_clients(o, err);
    return o->rounds || o->ranks ? report_rows(o, err) : print_cases(o, err);
}
