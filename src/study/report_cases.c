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

static void print_case(const run_case *c)
{
    const record_summary *m = &c->mean;
    char efficiency[16] = "-", serial[16] = "-";
    printf("%4.0f %8.3f", m->repeats, m->t_time_s);
    print_deviation(c->t_time_std_s, 3, 7);
    printf(" %8.3f", m->w_time_s);
    print_deviation(c->w_time_std_s, 3, 7);
    printf(" %5.1f %5.1f", 100.0 * m->work_fraction, 100.0 * m->overhead_fraction);
    print_deviation(100.0 * c->overhead_fraction_std, 1, 5);
    printf(" %5.2f", m->speedup);
    print_deviation(c->speedup_std, 2, 6);
    if (!isnan(c->efficiency))
        snprintf(efficiency, sizeof efficiency, "%.1f", 100.0 * c->efficiency);
    if (!isnan(c->serial_fraction))
        snprintf(serial, sizeof serial, "%.3f", c->serial_fraction);
    printf(" %5s %6s %5.2f", efficiency, serial, 100.0 * m->accuracy);
    print_deviation(100.0 * c->accuracy_std, 2, 6);
    printf(" %8.0f\n", m->images_per_s);
}

static void print_overhead(const run_case *c)
{
    const record_summary *m = &c->mean;
    const double parts[] = {m->o_pack_s, m->o_wire_s, m->o_wait_s, m->o_serve_s, m->o_other_s};
    for (size_t j = 0; j < sizeof parts / sizeof *parts; j++)
        printf("%7.2f ", 100.0 * parts[j] / m->t_time_s);
    printf("%10.2f %8.3f\n", m->bytes_sent / 1e6, m->t_start_s);
}

static void print_tables(const cases *all)
{
    int widths[OPTION_MAX];
    measure(all, widths);
    print_name(all, NULL, widths);
    printf("%4s %8s %6s %8s %6s %5s %5s %4s %5s %5s %5s %6s %5s %5s %8s\n", "runs", "T_time s", "",
           "W_time s", "", "W%", "O%", "", "S", "", "E%", "e", "Acc %", "", "images/s");
    for (size_t k = 0; k < all->n; k++) {
        print_name(all, &all->all[k], widths);
        print_case(&all->all[k]);
    }
    putchar('\n');
    print_name(all, NULL, widths);
    printf("%7s %7s %7s %7s %7s %10s %8s   (O%% in parts; before T_time)\n", "pack%", "wire%",
           "wait%", "serve%", "other%", "sent MB", "start s");
    for (size_t k = 0; k < all->n; k++) {
        print_name(all, &all->all[k], widths);
        print_overhead(&all->all[k]);
    }
}

/* ---- as CSV and JSON --------------------------------------------------------------------------- */

#define MEAN(member)                                                                               \
    {                                                                                              \
#member, REPORT_REAL, offsetof(run_case, mean.member)                                      \
    }
#define COUNT(member)                                                                              \
    {                                                                                              \
#member, REPORT_COUNT, offsetof(run_case, mean.member)                                     \
    }
#define OWN(member)                                                                                \
    {                                                                                              \
#member, REPORT_REAL, offsetof(run_case, member)                                           \
    }
static const struct {
    const char *name;
    enum report_kind kind;
    size_t offset;
} numbers[] = {COUNT(nodes),
               COUNT(cores),
               COUNT(repeats),
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
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

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
    report_column columns[OPTION_MAX + N_NUMBERS];
    report_value values[OPTION_MAX + N_NUMBERS];
    size_t n_keys = all->keys.n;
    for (size_t j = 0; j < n_keys; j++)
        columns[j] =
            (report_column){.name = all->keys.all[j]->name, .kind = kind_of(all->keys.all[j])};
    for (size_t j = 0; j < N_NUMBERS; j++)
        columns[n_keys + j] = (report_column){.name = numbers[j].name, .kind = numbers[j].kind};
    report_list list = {format, columns, n_keys + N_NUMBERS, SIZE_MAX, NULL};
    report_list_begin(&list);
    for (size_t k = 0; k < all->n; k++) {
        const run_case *c = &all->all[k];
        for (size_t j = 0; j < n_keys; j++)
            values[j] = key_value(columns[j].kind, case_value(c, j));
        for (size_t j = 0; j < N_NUMBERS; j++)
            memcpy(&values[n_keys + j].number, (const char *)c + numbers[j].offset, sizeof(double));
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
