#include "base/memory.h"
#include "report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- rounds --------------------------------------------------------------------------------------- */

static const report_column round_columns[] = {
    {"file", REPORT_TEXT, NULL, 0, 0, 0},
    {"round", REPORT_COUNT, "round", 5, 0, 0},
    {"t_end_s", REPORT_REAL, "time s", 9, 2, 0},
    {"images_per_s", REPORT_REAL, "images/s", 8, 0, 0},
    {"passes", REPORT_REAL, "passes", 7, 2, 0},
    {"lr", REPORT_REAL, "lr", 9, 6, 0},
    {"loss", REPORT_REAL, "loss", 7, 4, 0},
    {"accuracy", REPORT_REAL, "Acc %", 6, 2, 100.0},
    {"test_loss", REPORT_REAL, "test loss", 9, 4, 0},
    {"test_accuracy", REPORT_REAL, "test Acc %", 10, 2, 100.0},
    {"validation_loss", REPORT_REAL, "val. loss", 9, 4, 0},
    {"validation_accuracy", REPORT_REAL, "val. Acc %", 10, 2, 100.0},
    {"simulated", REPORT_TEXT, NULL, 0, 0, 0},
};
enum { N_ROUND = sizeof round_columns / sizeof *round_columns };

/* A table has the columns of --validate where a run has held images out; other formats have them always. */
static void hide_unused(report_column columns[N_ROUND], const report_options *o,
                        record_file *const *files)
{
    bool used = false;
    for (size_t k = 0; k < o->n_files; k++)
        for (size_t r = 0; r < files[k]->n_rounds; r++)
            used |= !isnan(files[k]->tests[r].accuracy_validation);
    for (size_t j = 0; j < N_ROUND && !used; j++)
        if (strncmp(columns[j].name, "validation_", 11) == 0)
            columns[j].title = NULL;
}

static void add_rounds(report_list *list, const char *path, const record_file *file)
{
    for (size_t r = 0; r < file->n_rounds; r++) {
        const record_round *row = &file->rounds[r];
        double t_s = row->t_end_s - (r > 0 ? file->rounds[r - 1].t_end_s : 0.0);
        report_value values[N_ROUND] = {{0.0, path},
                                        {(double)(r + 1), NULL},
                                        {row->t_end_s, NULL},
                                        {row->images / t_s, NULL},
                                        {row->epochs, NULL},
                                        {row->lr, NULL},
                                        {row->loss, NULL},
                                        {row->accuracy, NULL},
                                        {file->tests[r].loss, NULL},
                                        {file->tests[r].accuracy, NULL},
                                        {file->tests[r].loss_validation, NULL},
                                        {file->tests[r].accuracy_validation, NULL},
                                        {0.0, record_simulated(file)}};
        report_list_add(list, values);
    }
}

/* ---- ranks ---------------------------------------------------------------------------------------- */

enum { AT_FILE, AT_ROUND, AT_RANK, AT_ROLE, AT_HOST, AT_IMAGES, AT_LOSS, AT_ACCURACY, AT_PHASES };
enum {
    AT_BYTES = AT_PHASES + PHASE_COUNT,
    AT_SKIPPED,
    AT_CLOCK,
    AT_TEMPERATURE,
    AT_THROTTLED,
    AT_SIMULATED
};
enum { N_RANK = AT_SIMULATED + 1 };

#define PHASE_COLUMN(name, title)                                                                  \
    {                                                                                              \
#name "_s", REPORT_REAL, title, 7, 2, 0                                                    \
    }
/* The phases in enum phase's order, but other, the first, behind them. */
static const report_column rank_columns[] = {
    {"file", REPORT_TEXT, NULL, 0, 0, 0},
    {"round", REPORT_COUNT, "round", 5, 0, 0},
    {"rank", REPORT_COUNT, "rank", 4, 0, 0},
    {"role", REPORT_TEXT, "role", 6, 0, 0},
    {"host", REPORT_TEXT, "host", 8, 0, 0},
    {"images", REPORT_COUNT, "images", 8, 0, 0},
    {"loss", REPORT_REAL, "loss", 7, 4, 0},
    {"accuracy", REPORT_REAL, NULL, 0, 0, 0},
    PHASE_COLUMN(train, "train"),
    PHASE_COLUMN(input, "input"),
    PHASE_COLUMN(wait, "wait"),
    PHASE_COLUMN(serve, "serve"),
    PHASE_COLUMN(pack, "pack"),
    PHASE_COLUMN(wire, "wire"),
    PHASE_COLUMN(evaluate, "eval"),
    PHASE_COLUMN(output, "output"),
    PHASE_COLUMN(other, "other s"),
    {"bytes_sent", REPORT_REAL, NULL, 0, 0, 0},
    {"skipped", REPORT_COUNT, NULL, 0, 0, 0},
    {"clock_min_mhz", REPORT_REAL, NULL, 0, 0, 0},
    {"temperature_c", REPORT_REAL, NULL, 0, 0, 0},
    {"throttled", REPORT_COUNT, NULL, 0, 0, 0},
    {"simulated", REPORT_TEXT, NULL, 0, 0, 0},
};
_Static_assert(sizeof rank_columns / sizeof *rank_columns == N_RANK, "every value has its column");

/* What is told of a rank that was not there, or of a machine that does not tell, does not count. */
static void add_to(double *sum, double value)
{
    if (!isnan(value))
        *sum = isnan(*sum) ? value : *sum + value;
}

/* Sums; of losses the last, of clocks the lowest, of temperatures the highest. */
static void fold(record_rank *sum, const record_rank *row)
{
    for (int k = 0; k < PHASE_COUNT; k++)
        add_to(&sum->t_phase_s[k], row->t_phase_s[k]);
    add_to(&sum->images, row->images);
    add_to(&sum->bytes_sent, row->bytes_sent);
    add_to(&sum->skipped, row->skipped);
    sum->loss = isnan(row->loss) ? sum->loss : row->loss;
    sum->accuracy = isnan(row->accuracy) ? sum->accuracy : row->accuracy;
    sum->clock_min_mhz = fmin(sum->clock_min_mhz, row->clock_min_mhz);
    sum->temperature_c = fmax(sum->temperature_c, row->temperature_c);
    if (row->throttled >= 0.0 && row->throttled < 4294967296.0)
        sum->throttled = (double)((uint32_t)(isnan(sum->throttled) ? 0.0 : sum->throttled) |
                                  (uint32_t)row->throttled);
}

static const char *role_of(const record_machine *m)
{
    return m->is_server && m->is_worker ? "both" : m->is_server ? "server" : "worker";
}

static void add_rank(report_list *list, const char *path, const record_file *of, size_t rank,
                     double round, const record_rank *row)
{
    const record_machine *machine = &of->machines[rank];
    report_value values[N_RANK] = {[AT_FILE] = {0.0, path},
                                   [AT_ROUND] = {round, NULL},
                                   [AT_RANK] = {machine->rank, NULL},
                                   [AT_ROLE] = {0.0, role_of(machine)},
                                   [AT_HOST] = {0.0, machine->host},
                                   [AT_IMAGES] = {row->images, NULL},
                                   [AT_LOSS] = {row->loss, NULL},
                                   [AT_ACCURACY] = {row->accuracy, NULL},
                                   [AT_BYTES] = {row->bytes_sent, NULL},
                                   [AT_SKIPPED] = {row->skipped, NULL},
                                   [AT_CLOCK] = {row->clock_min_mhz, NULL},
                                   [AT_TEMPERATURE] = {row->temperature_c, NULL},
                                   [AT_THROTTLED] = {row->throttled, NULL},
                                   [AT_SIMULATED] = {0.0, record_simulated(of)}};
    for (int k = 0; k < PHASE_COUNT; k++)
        values[AT_PHASES + (k + PHASE_COUNT - 1) % PHASE_COUNT].number = row->t_phase_s[k];
    report_list_add(list, values);
}

static void add_ranks(report_list *list, const char *path, const record_file *file, bool by_round)
{
    for (size_t r = 0; r < file->n_rounds && by_round; r++)
        for (size_t k = 0; k < file->n_ranks; k++)
            add_rank(list, path, file, k, (double)(r + 1), &file->ranks[r * file->n_ranks + k]);
    for (size_t k = 0; k < file->n_ranks && !by_round; k++) {
        record_rank sum;
        for (size_t j = 0; j < sizeof sum / sizeof(double); j++)
            memcpy((char *)&sum + j * sizeof(double), &(double){NAN}, sizeof(double));
        for (size_t r = 0; r < file->n_rounds; r++)
            fold(&sum, &file->ranks[r * file->n_ranks + k]);
        add_rank(list, path, file, k, NAN, &sum);
    }
}
_Static_assert(sizeof(record_rank) % sizeof(double) == 0, "its members are doubles");

/* ---- together ------------------------------------------------------------------------------------- */

static bool print_all(const report_options *o, record_file *const *files, error *err)
{
    report_column rounds[N_ROUND];
    memcpy(rounds, round_columns, sizeof rounds);
    hide_unused(rounds, o, files);
    report_list list = {o->format, o->ranks ? rank_columns : rounds, o->ranks ? N_RANK : N_ROUND,
                        o->ranks && !o->rounds ? AT_ROUND : SIZE_MAX, NULL};
    for (size_t k = 0; k < o->n_files; k++) {
        if (o->format == REPORT_TABLE)
            report_title(o, k, files[k]);
        if (k == 0 || o->format == REPORT_TABLE)
            report_list_begin(&list);
        if (o->ranks)
            add_ranks(&list, o->files[k], files[k], o->rounds);
        else
            add_rounds(&list, o->files[k], files[k]);
    }
    return report_list_end(&list, err);
}

bool report_rows(const report_options *o, error *err)
{
    record_file **files = report_read(o, err);
    bool good = files && print_all(o, files, err);
    report_forget(o, files);
    return good;
}
