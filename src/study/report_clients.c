#include "base/memory.h"
#include "base/quantile.h"
#include "report_parts.h"

#include <math.h>
#include <stdio.h>

enum { WORST = 5 };

/* ---- what is known of a client ---------------------------------------------------------------------- */

static const report_column columns[] = {
    {"file", REPORT_TEXT, NULL, 0, 0, 0},
    {"round", REPORT_COUNT, NULL, 0, 0, 0},
    {"client", REPORT_COUNT, "client", 6, 0, 0},
    {"rank", REPORT_COUNT, "rank", 4, 0, 0},
    {"host", REPORT_TEXT, "host", 8, 0, 0},
    {"images", REPORT_COUNT, "images", 8, 0, 0},
    {"rounds", REPORT_COUNT, "rounds", 6, 0, 0},
    {"loss", REPORT_REAL, "loss", 7, 4, 0},
    {"accuracy", REPORT_REAL, "Acc %", 6, 2, 100.0},
    {"test_images", REPORT_COUNT, "test images", 11, 0, 0},
    {"test_accuracy", REPORT_REAL, "test Acc %", 10, 2, 100.0},
    {"own_accuracy", REPORT_REAL, "own Acc %", 9, 2, 100.0},
};

/* The last value that is known, up to a round. */
static double last_of(const record_file *file, size_t client, size_t offset)
{
    double value = NAN;
    for (size_t r = 0; r < file->n_rounds; r++) {
        const char *row = (const char *)&file->client_rounds[r * file->n_clients + client];
        const double now = *(const double *)(const void *)(row + offset);
        value = isnan(now) ? value : now;
    }
    return value;
}
#define LAST(file, client, member) last_of(file, client, offsetof(record_client_round, member))

static double images_of(const record_file *file, size_t client)
{
    double n = 0.0;
    for (size_t c = 0; c < (size_t)file->n_classes; c++)
        n += (double)file->client_labels[client * (size_t)file->n_classes + c];
    return n;
}

static double rounds_of(const record_file *file, size_t client)
{
    double n = 0.0;
    for (size_t r = 0; r < file->n_rounds; r++)
        n += file->client_rounds[r * file->n_clients + client].steps > 0.0;
    return n;
}

/* A rank out of a file may be none of it. */
static const char *host_of(const record_file *file, int32_t rank)
{
    return rank >= 0 && (size_t)rank < file->n_ranks ? file->machines[rank].host : "";
}

static void add_client(report_list *list, const char *path, const record_file *file, size_t k)
{
    const record_client *client = &file->clients[k];
    const report_value values[] = {{0.0, path},
                                   {(double)file->n_rounds, NULL},
                                   {(double)(k + 1), NULL},
                                   {client->rank, NULL},
                                   {0.0, host_of(file, client->rank)},
                                   {images_of(file, k), NULL},
                                   {rounds_of(file, k), NULL},
                                   {LAST(file, k, loss), NULL},
                                   {LAST(file, k, accuracy), NULL},
                                   {client->test_images, NULL},
                                   {LAST(file, k, test_accuracy), NULL},
                                   {LAST(file, k, own_accuracy), NULL}};
    report_list_add(list, values);
}

static void add_clients(report_list *list, const char *path, const record_file *file)
{
    for (size_t k = 0; k < file->n_clients; k++)
        add_client(list, path, file, k);
}

/* ---- how they are spread ---------------------------------------------------------------------------- */

static void print_spread(const char *name, double *values, size_t n_all, int digits, double factor)
{
    const size_t n = quantile_sort(values, n_all);
    double sum = 0.0;
    for (size_t k = 0; k < n; k++)
        sum += values[k];
    if (n == 0)
        return;
    printf("%-30s", name);
    for (int q = 0; q <= 4; q++)
        printf(" %8.*f", digits, factor * quantile(values, n, q / 4.0));
    printf(" %8.*f\n", digits, factor * sum / (double)n);
}

static void print_spreads(const record_file *file, double *values)
{
    const struct {
        const char *name;
        size_t offset;
        int digits;
        double factor;
    } all[] = {
        {"training loss", offsetof(record_client_round, loss), 4, 1.0},
        {"average on own images, %", offsetof(record_client_round, test_accuracy), 2, 100.0},
        {"own weights on own images, %", offsetof(record_client_round, own_accuracy), 2, 100.0},
    };
    printf("%-30s %8s %8s %8s %8s %8s %8s\n", "", "min", "1/4", "median", "3/4", "max", "mean");
    for (size_t k = 0; k < file->n_clients; k++)
        values[k] = images_of(file, k);
    print_spread("training images", values, file->n_clients, 0, 1.0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (size_t k = 0; k < file->n_clients; k++)
            values[k] = last_of(file, k, all[i].offset);
        print_spread(all[i].name, values, file->n_clients, all[i].digits, all[i].factor);
    }
}

/* ---- the worst -------------------------------------------------------------------------------------- */

/* By the average on their own images, else by their loss; of equals the first. */
static void print_worst(report_list *list, const char *path, const record_file *file,
                        double *badness)
{
    bool tested = false;
    for (size_t k = 0; k < file->n_clients; k++)
        tested = tested || !isnan(LAST(file, k, test_accuracy));
    for (size_t k = 0; k < file->n_clients; k++)
        badness[k] = tested ? -LAST(file, k, test_accuracy) : LAST(file, k, loss);
    printf("\nworst by %s:\n", tested ? "test Acc" : "loss");
    report_list_begin(list);
    for (int i = 0; i < WORST; i++) {
        size_t worst = file->n_clients;
        for (size_t k = 0; k < file->n_clients; k++)
            if (!isnan(badness[k]) && (worst == file->n_clients || badness[k] > badness[worst]))
                worst = k;
        if (worst == file->n_clients)
            return;
        add_client(list, path, file, worst);
        badness[worst] = NAN;
    }
}

static bool print_file(const char *path, const record_file *file, error *err)
{
    report_list list = {REPORT_TABLE, columns, sizeof columns / sizeof *columns, SIZE_MAX, NULL};
    double *values = memory_new(file->n_clients, sizeof *values, err);
    if (!values)
        return false;
    printf("%zu client%s, %zu round%s\n", file->n_clients, file->n_clients == 1 ? "" : "s",
           file->n_rounds, file->n_rounds == 1 ? "" : "s");
    print_spreads(file, values);
    print_worst(&list, path, file, values);
    memory_free(values);
    return true;
}

/* ---- together --------------------------------------------------------------------------------------- */

static bool check_clients(const char *path, const record_file *file, error *err)
{
    return file->n_clients > 0 ||
           error_user(
               err,
               "%s: has no rows of clients, but of ranks (--ranks): they come with --clients "
               "or --eval-clients of bramble train",
               path);
}

bool report_clients(const report_options *o, error *err)
{
    static const report_form form = {columns, sizeof columns / sizeof *columns, check_clients,
                                     print_file, add_clients};
    return report_each(o, &form, err);
}
