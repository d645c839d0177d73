#include "app/cases.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/output.h"
#include "app/trace.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct reading {
    cases cases;
    record_file *first;       /* finished: the others are compared with it */
    bool differs[OPTION_MAX]; /* by line of option_train_table */
    bool finished[OPTION_ARGUMENTS_MAX];
} reading;

/* Options that make no other training of it, or that the case tells. */
static bool is_beside(const char *name)
{
    static const char *const beside[] = {
        "out",    "force",   "quiet", "json",       "config",
        "case",   "threads", "seed",  "checkpoint", "checkpoint-every",
        "resume", "stall"};
    for (size_t k = 0; k < sizeof beside / sizeof *beside; k++)
        if (strcmp(name, beside[k]) == 0)
            return true;
    return false;
}

/* A program that did not know the option yet did what is its default now. */
static const char *setting(const record_file *run, const option_entry *entry)
{
    const char *value = record_config(run, entry->name);
    return value ? value : entry->initial;
}

static void note_differences(reading *self, const record_file *run)
{
    const option_entry *table = option_train_table;
    for (size_t k = 0; table[k].name; k++)
        if (!is_beside(table[k].name) &&
            strcmp(setting(self->first, &table[k]), setting(run, &table[k])) != 0)
            self->differs[k] = true;
}

static void warn_of_differences(const reading *self)
{
    const char *before = "bramble: the runs also differ in ";
    for (size_t k = 0; option_train_table[k].name; k++)
        if (self->differs[k]) {
            fprintf(stderr, "%s--%s", before, option_train_table[k].name);
            before = ", ";
        }
    if (*before == ',')
        fputc('\n', stderr);
}

/* Adds a run to its case when it has come to its end; finished says whether it has. */
static bool read_run(const char *path, reading *self, bool *finished, error *err)
{
    record_file *file = record_read(path, err);
    if (!file)
        return false;
    *finished = file->summary.complete == 1.0;
    if (*finished) {
        cases_add(&self->cases, &file->summary);
        if (self->first)
            note_differences(self, file);
    }
    if (*finished && !self->first)
        self->first = file;
    else
        record_file_free(file);
    return true;
}

/* All files; runs that have not come to their end are left out, and said to be. */
static bool read_runs(const report_options *o, reading *self, error *err)
{
    self->cases.all = memory_new(o->n_files, sizeof *self->cases.all, err);
    if (!self->cases.all)
        return false;
    for (size_t k = 0; k < o->n_files; k++)
        if (!read_run(o->files[k], self, &self->finished[k], err))
            return false;
    if (self->cases.n == 0 && o->n_files == 1)
        return error_user(err,
                          "%s: the run has not come to its end; bramble info tells how far it is",
                          o->files[0]);
    if (self->cases.n == 0)
        return error_user(
            err, "none of the %zu files, %s and so on, holds a run that has come to its end",
            o->n_files, o->files[0]);
    for (size_t k = 0; k < o->n_files; k++)
        if (!self->finished[k])
            fprintf(stderr, "bramble: %s: left out: the run has not come to its end\n",
                    o->files[k]);
    warn_of_differences(self);
    return true;
}

/* ---- as tables --------------------------------------------------------------------------------- */

enum { NAME_BYTES = 32 };

static const char *case_name(const run_case *c, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%.0f:%.0f", c->mean.nodes, c->mean.cores);
    return name;
}

/* At most as many digits as fit behind the point. */
static void print_deviation(double value, int digits, int width)
{
    while (digits > 0 && value >= pow(10.0, width - 3 - digits))
        digits--;
    if (isnan(value))
        printf("%*s", width, "");
    else
        printf("+-%-*.*f", width - 2, digits, value);
}

static void print_cases(const cases *all)
{
    printf("%-6s %4s %8s %6s %8s %6s %5s %5s %4s %5s %5s %5s %6s %5s %5s %8s\n", "N:C", "runs",
           "T_time s", "", "W_time s", "", "W%", "O%", "", "S", "", "E%", "e", "Acc %", "",
           "images/s");
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        const record_summary *m = &c->mean;
        char name[NAME_BYTES], serial[16] = "-";
        printf("%-6s %4.0f %8.3f", case_name(c, name), m->repeats, m->t_time_s);
        print_deviation(c->t_time_std_s, 3, 7);
        printf(" %8.3f", m->w_time_s);
        print_deviation(c->w_time_std_s, 3, 7);
        printf(" %5.1f %5.1f", 100.0 * m->work_fraction, 100.0 * m->overhead_fraction);
        print_deviation(100.0 * c->overhead_fraction_std, 1, 5);
        printf(" %5.2f", m->speedup);
        print_deviation(c->speedup_std, 2, 6);
        if (!isnan(c->serial_fraction))
            snprintf(serial, sizeof serial, "%.3f", c->serial_fraction);
        printf(" %5.1f %6s %5.2f", 100.0 * c->efficiency, serial, 100.0 * m->accuracy);
        print_deviation(100.0 * c->accuracy_std, 2, 6);
        printf(" %8.0f\n", m->images_per_s);
    }
}

static void print_overhead(const cases *all)
{
    printf("\n%-6s %7s %7s %7s %7s %7s %10s %8s   (O%% in parts; before T_time)\n", "N:C", "pack%",
           "wire%", "wait%", "serve%", "other%", "sent MB", "start s");
    for (size_t k = 0; k < all->n; k++) {
        const record_summary *m = &all->all[k].mean;
        const double parts[] = {m->o_pack_s, m->o_wire_s, m->o_wait_s, m->o_serve_s, m->o_other_s};
        char name[NAME_BYTES];
        printf("%-6s", case_name(&all->all[k], name));
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
            printf(" %7.2f", 100.0 * parts[j] / m->t_time_s);
        printf(" %10.2f %8.3f\n", m->bytes_sent / 1e6, m->t_start_s);
    }
}

/* ---- as CSV and JSON --------------------------------------------------------------------------- */

#define MEAN(member)                                                                               \
    {                                                                                              \
#member, offsetof(run_case, mean.member)                                                   \
    }
#define OWN(member)                                                                                \
    {                                                                                              \
#member, offsetof(run_case, member)                                                        \
    }
static const struct {
    const char *name;
    size_t offset;
} columns[] = {MEAN(nodes),
               MEAN(cores),
               MEAN(repeats),
               MEAN(t_time_s),
               OWN(t_time_std_s),
               MEAN(w_time_s),
               OWN(w_time_std_s),
               MEAN(o_time_s),
               MEAN(work_fraction),
               MEAN(overhead_fraction),
               OWN(overhead_fraction_std),
               MEAN(speedup),
               OWN(speedup_std),
               OWN(efficiency),
               OWN(serial_fraction),
               MEAN(accuracy),
               OWN(accuracy_std),
               MEAN(loss),
               MEAN(images_per_s),
               MEAN(o_pack_s),
               MEAN(o_wire_s),
               MEAN(o_wait_s),
               MEAN(o_serve_s),
               MEAN(o_other_s),
               MEAN(bytes_sent),
               MEAN(t_start_s),
               MEAN(t_start_mpi_s),
               MEAN(t_start_data_s)};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

static double value_of(const run_case *c, int column)
{
    double value;
    memcpy(&value, (const char *)c + columns[column].offset, sizeof value);
    return value;
}

/* Empty where there is no number, as spreadsheets and pandas expect. */
static void print_csv(const cases *all)
{
    char name[NAME_BYTES];
    fputs("case", stdout);
    for (int j = 0; j < N_COLUMNS; j++)
        printf(",%s", columns[j].name);
    for (size_t k = 0; k < all->n; k++) {
        printf("\n%s", case_name(&all->all[k], name));
        for (int j = 0; j < N_COLUMNS; j++) {
            double value = value_of(&all->all[k], j);
            printf(isfinite(value) ? ",%.9g" : ",", value);
        }
    }
    putchar('\n');
}

static bool print_json(const cases *all, error *err)
{
    json_t *root = json_array();
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        char name[NAME_BYTES];
        json_t *row = output_summary(&c->mean);
        json_object_set_new(row, "case", json_string(case_name(c, name)));
        for (int j = 0; j < N_COLUMNS; j++)
            if (!json_object_get(row, columns[j].name))
                json_object_set_new(row, columns[j].name, output_number(value_of(c, j)));
        json_array_append_new(root, row);
    }
    return output_json(root, stdout, err);
}

/* ---- the command ------------------------------------------------------------------------------- */

static bool report(const report_options *o, reading *self, error *err)
{
    if (!read_runs(o, self, err) || !cases_finish(&self->cases, o->base, err))
        return false;
    if (o->format == REPORT_JSON)
        return print_json(&self->cases, err) && output_finish(err);
    if (o->format == REPORT_CSV) {
        print_csv(&self->cases);
    } else {
        print_cases(&self->cases);
        print_overhead(&self->cases);
    }
    return output_finish(err);
}

/* Also of a run that has not come to its end. */
static bool write_trace(const report_options *o, error *err)
{
    if (o->n_files > 1)
        return error_user(err, "--trace %.200s: takes one run, not %zu", o->trace, o->n_files);
    record_file *file = record_read(o->files[0], err);
    bool good = file && trace_write(o->trace, file, err);
    record_file_free(file);
    return good;
}

int command_report(int argc, char **argv)
{
    error err = {0};
    static reading runs; /* large: many files */
    static report_options o;
    enum parse_outcome outcome = options_parse_report(argc, argv, true, &o, &err);
    if (outcome == PARSE_RUN && o.trace[0])
        write_trace(&o, &err);
    else if (outcome == PARSE_RUN)
        report(&o, &runs, &err);
    if (err.kind != ERROR_NONE)
        error_print(&err);
    memory_free(runs.cases.all);
    record_file_free(runs.first);
    return (int)err.kind;
}
