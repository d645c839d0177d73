#include "report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- as tables --------------------------------------------------------------------------------- */

enum { NAME_WIDTH = 6, LONGEST = 40 }; /* bytes of a key's value */

/* The widths of the keys' columns. */
static void measure(const cases *all, int widths[OPTION_MAX])
{
    for (size_t j = 0; j < all->keys.n; j++) {
        size_t width = strlen(case_key_title(all->keys.all[j]));
        for (size_t k = 0; k < all->n; k++) {
            size_t n = strlen(case_value(&all->all[k], j));
            width = n > width ? n : width;
        }
        widths[j] = width > LONGEST ? LONGEST : width < NAME_WIDTH ? NAME_WIDTH : (int)width;
    }
}

static bool any_simulated(const cases *all)
{
    for (size_t k = 0; k < all->n; k++)
        if (*case_simulated(all, &all->all[k]))
            return true;
    return false;
}

/* Behind a row, where it is told of any. */
static void print_simulated(const cases *all, const run_case *c)
{
    const char *how = c ? case_simulated(all, c) : "";
    if (!any_simulated(all))
        return;
    fputs("  ", stdout);
    report_text(!c ? "simulated" : *how ? how : "no, measured", 0);
}

/* A case's name in its columns; of NULL, what stands above them. */
static void print_name(const cases *all, const run_case *c, const int widths[OPTION_MAX])
{
    for (size_t j = 0; j < all->keys.n; j++) {
        report_text(c ? case_value(c, j) : case_key_title(all->keys.all[j]), widths[j]);
        putchar(' ');
    }
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

/* What only cases have, behind the speedup that it follows from. */
static void print_scaling(const run_case *c)
{
    char efficiency[16] = "-", serial[16] = "-";
    if (!isnan(c->efficiency))
        snprintf(efficiency, sizeof efficiency, "%.1f", 100.0 * c->efficiency);
    if (!isnan(c->serial_fraction))
        snprintf(serial, sizeof serial, "%.3f", c->serial_fraction);
    printf(" %5s %6s", efficiency, serial);
}

static void print_row(const run_case *c, enum summary_list list)
{
    double t_s = c->mean.t_time_s;
    const char *before = "";
    for (const summary_number *n = NULL; (n = summary_next(list, n)); before = " ") {
        double spread = summary_show(n, summary_value(n, &c->spread), t_s);
        printf("%s%*.*f", before, n->width, n->digits,
               summary_show(n, summary_value(n, &c->mean), t_s));
        if (n->mean == SUMMARY_SPREAD)
            print_deviation(spread, n->digits, n->spread_width);
        if (SUMMARY_IS(n, speedup))
            print_scaling(c);
    }
}

static void print_heads(enum summary_list list)
{
    const char *before = "";
    for (const summary_number *n = NULL; (n = summary_next(list, n)); before = " ") {
        printf("%s%*s%*s", before, n->width, n->title, n->spread_width, "");
        if (SUMMARY_IS(n, speedup))
            printf(" %5s %6s", "E%", "e");
    }
}

static void print_tables(const cases *all)
{
    int widths[OPTION_MAX];
    measure(all, widths);
    print_name(all, NULL, widths);
    print_heads(SUMMARY_TABLE);
    print_simulated(all, NULL);
    putchar('\n');
    for (size_t k = 0; k < all->n; k++) {
        print_name(all, &all->all[k], widths);
        print_row(&all->all[k], SUMMARY_TABLE);
        print_simulated(all, &all->all[k]);
        putchar('\n');
    }
    putchar('\n');
    print_name(all, NULL, widths);
    print_heads(SUMMARY_PARTS);
    puts("   (O% in parts; before T_time)");
    for (size_t k = 0; k < all->n; k++) {
        print_name(all, &all->all[k], widths);
        print_row(&all->all[k], SUMMARY_PARTS);
        putchar('\n');
    }
}

/* ---- as CSV and JSON --------------------------------------------------------------------------- */

enum { N_MORE = 2, N_NUMBERS = 2 * SUMMARY_COUNT + N_MORE }; /* at most: each with its deviation */

/* The columns behind the keys, and the values of a case in them. */
typedef struct number_columns {
    size_t n;
    char names[N_NUMBERS][40];
    enum report_kind kinds[N_NUMBERS];
    double values[N_NUMBERS];
} number_columns;

static void add_number(number_columns *self, const char *name, const char *end,
                       enum report_kind kind, double value)
{
    snprintf(self->names[self->n], sizeof *self->names, "%s%s", name, end);
    self->kinds[self->n] = kind;
    self->values[self->n++] = value;
}

/* accuracy_std, t_time_std_s: the unit stays the end of the name. */
static void add_spread(number_columns *self, const char *name, double value)
{
    size_t length = strlen(name);
    bool in_s = length > 2 && strcmp(name + length - 2, "_s") == 0;
    char stem[32];
    snprintf(stem, sizeof stem, "%.*s", (int)(in_s ? length - 2 : length), name);
    add_number(self, stem, in_s ? "_std_s" : "_std", REPORT_REAL, value);
}

static void list_numbers(number_columns *self, const run_case *c)
{
    self->n = 0;
    for (const summary_number *n = NULL; (n = summary_next(SUMMARY_COLUMNS, n));) {
        const char *name = n->column.name;
        add_number(self, name, "", n->is_count ? REPORT_COUNT : REPORT_REAL,
                   summary_value(n, &c->mean));
        if (n->mean == SUMMARY_SPREAD)
            add_spread(self, name, summary_value(n, &c->spread));
        if (SUMMARY_IS(n, speedup)) {
            add_number(self, "efficiency", "", REPORT_REAL, c->efficiency);
            add_number(self, "serial_fraction", "", REPORT_REAL, c->serial_fraction);
        }
    }
}

static enum report_kind kind_of(const option_entry *key)
{
    return key->type == OPTION_WHOLE  ? REPORT_COUNT
           : key->type == OPTION_REAL ? REPORT_REAL
           : key->type == OPTION_FLAG ? REPORT_FLAG
                                      : REPORT_TEXT;
}

static report_value key_value(enum report_kind kind, const char *text)
{
    if (kind == REPORT_FLAG)
        return (report_value){.number = strcmp(text, "true") == 0};
    return (report_value){.number = strtod(text, NULL), .text = text};
}

static bool print_list(const cases *all, int format, error *err)
{
    report_column columns[OPTION_MAX + 1 + N_NUMBERS];
    report_value values[OPTION_MAX + 1 + N_NUMBERS];
    number_columns numbers;
    const size_t n_keys = all->keys.n;
    for (size_t j = 0; j < n_keys; j++)
        columns[j] =
            (report_column){.name = all->keys.all[j]->name, .kind = kind_of(all->keys.all[j])};
    list_numbers(&numbers, &all->all[0]);
    for (size_t j = 0; j < numbers.n; j++)
        columns[n_keys + j] = (report_column){.name = numbers.names[j], .kind = numbers.kinds[j]};
    const size_t last = n_keys + numbers.n;
    columns[last] = (report_column){.name = "simulated", .kind = REPORT_TEXT};
    report_list list = {format, columns, last + 1, SIZE_MAX, NULL};
    report_list_begin(&list);
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        for (size_t j = 0; j < n_keys; j++)
            values[j] = key_value(columns[j].kind, case_value(c, j));
        list_numbers(&numbers, c);
        for (size_t j = 0; j < numbers.n; j++)
            values[n_keys + j].number = numbers.values[j];
        values[last] = (report_value){.text = case_simulated(all, c)};
        report_list_add(&list, values);
    }
    return report_list_end(&list, err);
}

bool report_cases(const cases *all, int format, error *err)
{
    if (format != REPORT_TABLE)
        return print_list(all, format, err);
    print_tables(all);
    return true;
}
