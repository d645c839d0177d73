#include "base/memory.h"
#include "report_parts.h"
#include "show/labels.h"

#include <math.h>
#include <stdio.h>

/* ---- a row for each of them and class: CSV, JSON ---------------------------------------------------- */

static const report_column columns[] = {
    {"file", REPORT_TEXT, NULL, 0, 0, 0},    {"rank", REPORT_COUNT, NULL, 0, 0, 0},
    {"host", REPORT_TEXT, NULL, 0, 0, 0},    {"class", REPORT_TEXT, NULL, 0, 0, 0},
    {"images", REPORT_COUNT, NULL, 0, 0, 0}, {"client", REPORT_COUNT, NULL, 0, 0, 0},
};

/* Who has images: a worker, or one of its clients where these have rows. */
typedef struct holder {
    int rank;
    const char *host;
    double client; /* from 1; NaN: the worker itself */
    const int64_t *counts;
} holder;

static size_t count_holders(const record_file *file)
{
    return file->n_clients > 0 ? file->n_clients : file->n_ranks;
}

/* false for a rank that is no worker, and out of a file anything */
static bool find_holder(const record_file *file, size_t k, holder *who)
{
    const size_t n_classes = (size_t)file->n_classes;
    const bool own = file->n_clients > 0;
    const int64_t rank = own ? file->clients[k].rank : (int64_t)k;
    if (rank < 0 || (size_t)rank >= file->n_ranks)
        return false;
    const record_machine *machine = &file->machines[rank];
    *who = (holder){machine->rank, machine->host, own ? (double)(k + 1) : NAN,
                    (own ? file->client_labels : file->labels) + k * n_classes};
    return machine->is_worker;
}

static void add_rows(report_list *list, const char *path, const record_file *file)
{
    holder who;
    for (size_t k = 0; k < count_holders(file); k++)
        for (int c = 0; find_holder(file, k, &who) && c < file->n_classes; c++) {
            const report_value values[] = {{0.0, path},
                                           {who.rank, NULL},
                                           {0.0, who.host},
                                           {0.0, file->class_names[c]},
                                           {(double)who.counts[c], NULL},
                                           {who.client, NULL}};
            report_list_add(list, values);
        }
}

/* ---- a map: a line for each of them ----------------------------------------------------------------- */

static bool print_map(const char *path, const record_file *file, error *err)
{
    (void)path;
    const size_t n_classes = (size_t)file->n_classes;
    const char **names = memory_new(n_classes, sizeof *names, err);
    if (!names)
        return false;
    for (size_t c = 0; c < n_classes; c++)
        names[c] = file->class_names[c];
    labels_heads(file->n_clients > 0 ? "client, rank" : "rank, host", names, n_classes);
    for (size_t r = 0; r < count_holders(file); r++) {
        char name[96];
        holder who;
        if (!find_holder(file, r, &who))
            continue;
        if (isnan(who.client))
            snprintf(name, sizeof name, "%d %s", who.rank, who.host);
        else
            snprintf(name, sizeof name, "%.0f %d", who.client, who.rank);
        labels_line(name, who.counts, names, n_classes);
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

bool report_labels(const report_options *o, error *err)
{
    static const report_form form = {columns, sizeof columns / sizeof *columns, check_labels,
                                     print_map, add_rows};
    return report_each(o, &form, err);
}
