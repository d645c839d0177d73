#include "app/cases.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/output.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Adds a run to its case when it has come to its end; finished says whether it has. */
static bool read_run(const char *path, cases *all, bool *finished, error *err)
{
    record_file *file = record_read(path, err);
    if (!file)
        return false;
    *finished = file->summary.complete == 1.0;
    if (*finished)
        cases_add(all, &file->summary);
    record_file_free(file);
    return true;
}

/* All files; runs that have not come to their end are left out, and said to be. */
static bool read_runs(const report_options *o, cases *all, error *err)
{
    static bool finished[OPTION_ARGUMENTS_MAX];
    all->all = memory_new(o->n_files, sizeof *all->all, err);
    if (!all->all)
        return false;
    for (size_t k = 0; k < o->n_files; k++)
        if (!read_run(o->files[k], all, &finished[k], err))
            return false;
    if (all->n == 0 && o->n_files == 1)
        return error_user(err, "%s: the run has not come to its end; bramble info tells how far it is",
                          o->files[0]);
    if (all->n == 0)
        return error_user(err, "none of the %zu files, %s and so on, holds a run that has come to its end",
                          o->n_files, o->files[0]);
    for (size_t k = 0; k < o->n_files; k++)
        if (!finished[k])
            fprintf(stderr, "bramble: %s: left out: the run has not come to its end\n", o->files[k]);
    return true;
}

static void print_deviation(double value, double factor, int digits)
{
    if (isnan(value))
        printf(" %8s", "");
    else
        printf(" +-%6.*f", digits, factor * value);
}

static void print_table(const cases *all)
{
    printf("%-8s %4s %11s %8s %11s %6s %6s %7s %10s %8s %10s\n", "N:C", "runs", "T_time s", "", "W_time s",
           "W%", "O%", "S", "Acc %", "", "images/s");
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        const record_summary *m = &c->mean;
        char name[32];
        snprintf(name, sizeof name, "%.0f:%.0f", m->nodes, m->cores);
        printf("%-8s %4.0f %11.3f", name, m->repeats, m->t_time_s);
        print_deviation(c->t_time_std_s, 1.0, 3);
        printf(" %11.3f %6.1f %6.1f %7.2f %10.2f", m->w_time_s, 100.0 * m->work_fraction,
               100.0 * m->overhead_fraction, m->speedup, 100.0 * m->accuracy);
        print_deviation(c->accuracy_std, 100.0, 2);
        printf(" %10.0f\n", m->images_per_s);
    }
}

/* Empty where there is no number, as spreadsheets and pandas expect. */
static void print_field(double value, char after)
{
    if (isfinite(value))
        printf("%.9g", value);
    putchar(after);
}

static void print_csv(const cases *all)
{
    puts("case,nodes,cores,repeats,t_time_s,t_time_std_s,w_time_s,o_time_s,work_fraction,"
         "overhead_fraction,speedup,accuracy,accuracy_std,images_per_s");
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        const record_summary *m = &c->mean;
        printf("%.0f:%.0f,%.0f,%.0f,%.0f,", m->nodes, m->cores, m->nodes, m->cores, m->repeats);
        const double fields[] = {m->t_time_s,      c->t_time_std_s,      m->w_time_s, m->o_time_s,
                                 m->work_fraction, m->overhead_fraction, m->speedup,  m->accuracy,
                                 c->accuracy_std,  m->images_per_s};
        size_t n = sizeof fields / sizeof *fields;
        for (size_t j = 0; j < n; j++)
            print_field(fields[j], j + 1 < n ? ',' : '\n');
    }
}

static bool print_json(const cases *all, error *err)
{
    json_t *root = json_array();
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        char name[32];
        snprintf(name, sizeof name, "%.0f:%.0f", c->mean.nodes, c->mean.cores);
        json_t *row = output_summary(&c->mean);
        json_object_set_new(row, "case", json_string(name));
        json_object_set_new(row, "t_time_std_s", output_number(c->t_time_std_s));
        json_object_set_new(row, "accuracy_std", output_number(c->accuracy_std));
        json_array_append_new(root, row);
    }
    return output_json(root, stdout, err);
}

int command_report(int argc, char **argv)
{
    error err = {0};
    cases all = {0};
    static report_options o; /* large: many files */
    enum parse_outcome outcome = options_parse_report(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN && read_runs(&o, &all, &err) && cases_finish(&all, o.base, &err)) {
        if (o.format == REPORT_JSON)
            print_json(&all, &err);
        else if (o.format == REPORT_CSV)
            print_csv(&all);
        else
            print_table(&all);
        if (err.kind == ERROR_NONE)
            output_finish(&err);
    }
    if (err.kind != ERROR_NONE)
        error_print(&err);
    memory_free(all.all);
    return (int)err.kind;
}
