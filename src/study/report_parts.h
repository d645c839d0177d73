/*
 * report_parts.h - what the reports have from each other
 *
 * report.c reads the runs, report_cases.c prints cases, report_rows.c the rounds and ranks of runs, report_labels.c who
 * has what, report_clients.c how clients differ, report_files.c each of several files, report_list.c rows of values in each
 * of the formats.
 */
#ifndef BRAMBLE_STUDY_REPORT_PARTS_H
#define BRAMBLE_STUDY_REPORT_PARTS_H

#include "base/error.h"
#include "cases.h"
#include "options/options.h"
#include "show/output.h"

/* ---- rows of values, as a table, CSV or JSON ------------------------------------------------------ */

enum report_kind { REPORT_REAL, REPORT_COUNT, REPORT_FLAG, REPORT_TEXT };

/* A column; what follows kind is for tables, from which a column without a title is left out. */
typedef struct report_column {
    const char *name;
    enum report_kind kind;
    const char *title;
    int width, digits; /* digits: behind the point */
    double factor;     /* of the number printed; 0: 1 */
} report_column;

typedef struct report_value {
    double number;    /* NaN: not known; REPORT_FLAG: 0 or 1 */
    const char *text; /* REPORT_TEXT */
} report_value;

typedef struct report_list {
    int format; /* enum report_format */
    const report_column *columns;
    size_t n_columns;
    size_t left_out; /* a column that is not printed, or n_columns */
    json_t *rows;
} report_list;

/* report_list_begin - print what stands above the rows
 * report_list_add   - a row of n_columns values
 * report_list_end   - false with err (environment) */
void report_list_begin(report_list *self);
void report_list_add(report_list *self, const report_value *values);
bool report_list_end(report_list *self, error *err);

/* ---- runs ----------------------------------------------------------------------------------------- */

/* report_read - all files of o; NULL with err.  report_forget - free them */
record_file **report_read(const report_options *o, error *err);
void report_forget(const report_options *o, record_file **files);

/* report_title - above file k's table: its name where there are several, and that it was simulated */
void report_title(const report_options *o, size_t k, const record_file *file);

/*
 * A report of which a table is more than its rows: `columns` are those of the rows
 * check - has a file what it takes?  false with err (user);  print - a file's table, false with err (environment)
 * add   - a file's rows
 */
typedef struct report_form {
    const report_column *columns;
    size_t n_columns;
    bool (*check)(const char *path, const record_file *file, error *err);
    bool (*print)(const char *path, const record_file *file, error *err);
    void (*add)(report_list *list, const char *path, const record_file *file);
} report_form;

/* report_each - check all files of o, then print the table of each, or the rows of all; false with err, also from reading */
bool report_each(const report_options *o, const report_form *form, error *err);

/* report_text - a text out of a file, no control characters: at least `width` wide, at most 40 bytes; 0: all of it */
void report_text(const char *text, int width);

/* ---- the reports ---------------------------------------------------------------------------------- */

/* report_cases - print cases that are finished; false with err (environment) */
bool report_cases(const cases *all, int format, error *err);

/*
 * report_rows - print a line for each round, each rank, or each rank of each round of every file
 * Also of runs that have not come to their end.  false with err, from reading or printing.
 */
bool report_rows(const report_options *o, error *err);

/* report_labels - print a line for each worker of every file: its training images by class; false with err as above */
bool report_labels(const report_options *o, error *err);

/* report_clients - print how the clients of every file are spread, and the worst; or a row for each; false with err as
 * above */
bool report_clients(const report_options *o, error *err);

#endif
