#include "schema.h"

#include "dataset.h"
#include "record/summary.h"

#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
#define MACHINE(member, unit, about) RECORD_COLUMN(record_machine, member, unit, about)
#define ROUND(member, unit, about) RECORD_COLUMN(record_round, member, unit, about)
#define RANK(member, unit, about) RECORD_COLUMN(record_rank, member, unit, about)
#define TEST(member, unit, about) RECORD_COLUMN(record_test, member, unit, about)
#define STALL(member, unit, about) RECORD_COLUMN(record_stall, member, unit, about)
#define PROGRESS(member, unit, about) RECORD_LATER(record_progress, member, unit, about)
#define INTERRUPTION(member, unit, about) RECORD_COLUMN(record_interruption, member, unit, about)
#define CLIENT(member, unit, about) RECORD_COLUMN(record_client_round, member, unit, about)
#define POSITION(member, unit, about) RECORD_COLUMN(record_position, member, unit, about)
#define PHASE(name, phase, about) RECORD_NAMED(record_rank, t_phase_s[phase], name "_s", "s", about)
#define TABLE(group, shape, row, columns)                                                          \
    {                                                                                              \
        group, shape, sizeof(row), columns, N_OF(columns), sizeof *(columns)                       \
    }

static const record_column machine_columns[] = {
    MACHINE(rank, "1", "Rank in the MPI job; rank 0 is the server."),
    MACHINE(threads, "threads", "OpenMP threads the rank computes with."),
    MACHINE(cores, "cores", "Processor cores the rank may run on."),
    MACHINE(is_server, "1", "1 for the rank that averages and writes this file, else 0."),
    MACHINE(is_worker, "1", "1 for a rank that trains, else 0."),
    MACHINE(host, "1", "Name of the host the rank runs on."),
    MACHINE(cpu, "1", "Processor model, as the system tells it."),
    MACHINE(binding, "1", "Processors the rank is bound to."),
    MACHINE(simd, "1", "Instruction set the rank computes with."),
    RECORD_LATER(record_machine, fused, "1",
                 "1 if that has fused multiply-adds, which all give the same bits, else 0."),
    MACHINE(memory_bytes, "byte", "Main memory of the host."),
    MACHINE(clock_max_mhz, "MHz", "Highest clock the processor may run at."),
    MACHINE(cpu_quota, "cores",
            "Processor time the rank's control groups allow, in cores; NaN without a limit."),
};

static const record_column done_columns[] = {
    RECORD_SINGLE(RECORD_I64, 8, "n_done", "rounds",
                  "Finished rounds: rows 0 to n_done - 1 of every column count."),
};

static const record_column round_columns[] = {
    ROUND(t_end_s, "s", "Time from the first step to the average of the round."),
    ROUND(images, "images", "Images all workers trained on in the round."),
    /* An epoch by another name: files and what reads them are older than the word here. */
    RECORD_NAMED(record_round, epochs, "passes", "1",
                 "Passes over the training images since the start."),
    ROUND(lr, "1", "Learning rate of the last step of the round."),
    ROUND(loss, "1", "Training loss, the mean over the images of the round."),
    ROUND(accuracy, "1", "Share of training images classified rightly before each step."),
};

static const record_column rank_columns[] = {
    PHASE("other", PHASE_OTHER, "Time in none of the named phases: start-up, bookkeeping."),
    PHASE("train", PHASE_TRAIN, "Time in forward pass, loss, backward pass and update."),
    PHASE("input", PHASE_INPUT, "Time reading or receiving data and turning bytes into floats."),
    PHASE("wait", PHASE_WAIT, "Time waiting for the slowest worker."),
    PHASE("serve", PHASE_SERVE,
          "Time in which the server decides and announces, or waiting for it."),
    PHASE("pack", PHASE_PACK, "Time averaging the models: to and from fixed point, sums, copies."),
    PHASE("wire", PHASE_WIRE, "Time averaging the models: in MPI."),
    PHASE("evaluate", PHASE_EVALUATE, "Time evaluating a model on the test images."),
    PHASE("output", PHASE_OUTPUT, "Time writing results and progress."),
    RANK(images, "images", "Images the rank trained on in the round."),
    RANK(loss, "1", "Training loss, the mean over the rank's images of the round."),
    RANK(accuracy, "1", "Share of the rank's images classified rightly."),
    RANK(steps, "steps", "Optimizer steps the rank took in the round."),
    RANK(skipped, "1",
         "Averages the rank's weights were left out of, because they were not finite."),
    RANK(bytes_sent, "byte", "Bytes the rank sent to average the models."),
    RANK(clock_mhz, "MHz", "Processor clock seen last in the round."),
    RANK(clock_min_mhz, "MHz", "Lowest processor clock seen in the round."),
    RANK(temperature_c, "degC", "Highest processor temperature seen in the round."),
    RANK(throttled, "1",
         "Firmware flags of throttling and under-voltage seen in the round; 0 when all is well."),
    RANK(peak_rss_bytes, "byte", "Most main memory the rank has used so far."),
};

static const record_column test_columns[] = {
    TEST(loss, "1", "Mean loss on the test images of the model after the round."),
    TEST(accuracy, "1", "Share of test images classified rightly after the round."),
    RECORD_LATER(record_test, loss_validation, "1", "Mean loss on the images held out."),
    RECORD_LATER(
        record_test, accuracy_validation, "1",
        "Share of the images held out classified rightly after the round; NaN: there are none."),
};

static const record_column confusion_columns[] = {
    RECORD_SINGLE(RECORD_I64, 8, "confusion", "images",
                  "Test images by true class (row) and class predicted (column)."),
};

static const record_column shard_columns[] = {
    RECORD_SINGLE_LATER(RECORD_I64, 8, "labels", "images",
                        "Training images by rank (row) and class (column)."),
};

static const record_column class_columns[] = {
    RECORD_SINGLE(RECORD_TEXT, sizeof((record_file *)0)->class_names[0], "class_names", "1",
                  "Names of the classes, in the order of their numbers."),
};

static const record_column model_round_columns[] = {
    RECORD_SINGLE(
        RECORD_I64, 8, "round", "1",
        "Round (from 0) the model is the result of; -1: initial weights; -2: no whole model."),
};

static const record_column model_text_columns[] = {
    RECORD_SINGLE(RECORD_TEXT, 0, "ini", "1", "The model file, word for word."),
};

static const record_column stall_columns[] = {
    STALL(n, "1", "How often the rank showed no progress for longer than --stall."),
    STALL(round, "1", "Round (from 0) of the last time."),
    STALL(t_s, "s", "Time without a sign of life, when it was noticed the last time."),
    STALL(phase, "1", "Phase the rank was in then."),
};

static const record_column progress_columns[] = {
    PROGRESS(round, "1", "Round (from 0) that is going on."),
    PROGRESS(images, "images", "Images all workers have trained on in it."),
    PROGRESS(round_images, "images", "Images of a whole round, about."),
    PROGRESS(tested, "1",
             "Share done of the test that everything waits for; NaN when there is none."),
    PROGRESS(t_s, "s", "Time since the first step, when this was written."),
    PROGRESS(t_tests_s, "s", "Time of the tests to come that everything waits for, about."),
};

static const record_column interruption_columns[] = {
    INTERRUPTION(rounds, "rounds", "Rounds that were done when the run went on."),
    INTERRUPTION(t_lost_s, "s",
                 "Time from the end of the last of them to the moment the run went on."),
    INTERRUPTION(workers_before, "1", "Workers until then."),
    INTERRUPTION(workers_after, "1", "Workers from then on."),
    INTERRUPTION(signal, "1", "Number of the signal that stopped the run; 0: none, it just ended."),
};

static const record_column client_columns[] = {
    RECORD_COLUMN(record_client, rank, "1", "Rank that trains the client."),
    RECORD_COLUMN(record_client, test_images, "images", "Images of its own that it tests with."),
};

static const record_column client_label_columns[] = {
    RECORD_SINGLE(RECORD_I64, 8, "labels", "images",
                  "Training images by client (row) and class (column)."),
};

static const record_column client_round_columns[] = {
    CLIENT(images, "images", "Images the client trained on in the round; 0: it sat out."),
    CLIENT(loss, "1", "Training loss, the mean over the client's images of the round."),
    CLIENT(accuracy, "1", "Share of the client's images classified rightly."),
    CLIENT(steps, "steps", "Optimizer steps the client took in the round."),
    CLIENT(test_accuracy, "1",
           "Share of its own test images that what all go on from classifies rightly."),
    CLIENT(own_accuracy, "1", "The same of its own weights, before the average."),
};

static const record_column position_columns[] = {
    POSITION(n_workers, "1", "Workers of the run."),
    POSITION(n_train, "images", "Training images of all workers."),
    POSITION(n_test, "images", "Test images."),
    POSITION(data_checksum, "1", "Checksum of labels and of samples of the images."),
    RECORD_LATER(record_position, n_clients, "1", "Clients of the run, which have a row each."),
    POSITION(signal, "1", "Number of the signal that stopped the run; 0: none."),
    POSITION(t_date_s, "s", "End of the last round, in seconds since 1970."),
};

const schema_table schema_tables[TABLE_COUNT] = {
    [TABLE_MACHINE] = TABLE("/machine", SHAPE_RANKS, record_machine, machine_columns),
    [TABLE_DONE] = TABLE("/rounds", SHAPE_SCALAR, int64_t, done_columns),
    [TABLE_ROUND] = TABLE("/rounds", SHAPE_ROUNDS, record_round, round_columns),
    [TABLE_RANK] = TABLE("/rounds/ranks", SHAPE_ROUNDS_RANKS, record_rank, rank_columns),
    [TABLE_TEST] = TABLE("/test", SHAPE_ROUNDS, record_test, test_columns),
    [TABLE_CONFUSION] = TABLE("/test", SHAPE_PAIRS, int64_t, confusion_columns),
    [TABLE_CLASSES] = TABLE("/test", SHAPE_CLASSES, char[RECORD_CLASS_BYTES], class_columns),
    [TABLE_SHARDS] = TABLE("/shards", SHAPE_RANKS_CLASSES, int64_t, shard_columns),
    [TABLE_ROUND_OF_MODEL] = TABLE(SCHEMA_MODEL, SHAPE_SCALAR, int64_t, model_round_columns),
    [TABLE_TEXT_OF_MODEL] = TABLE(SCHEMA_MODEL, SHAPE_SCALAR, char, model_text_columns),
    [TABLE_SUMMARY] = {"/summary", SHAPE_SCALAR, sizeof(record_summary), &summary_numbers->column,
                       SUMMARY_COUNT, sizeof *summary_numbers},
    [TABLE_STALL] = TABLE("/stalls", SHAPE_RANKS, record_stall, stall_columns),
    [TABLE_PROGRESS] = TABLE(SCHEMA_PROGRESS, SHAPE_SCALAR, record_progress, progress_columns),
    [TABLE_INTERRUPTION] =
        TABLE(SCHEMA_INTERRUPTIONS, SHAPE_INTERRUPTIONS, record_interruption, interruption_columns),
    [TABLE_CLIENT] = TABLE(SCHEMA_CLIENTS, SHAPE_CLIENTS, record_client, client_columns),
    [TABLE_CLIENT_LABELS] =
        TABLE(SCHEMA_CLIENTS, SHAPE_CLIENTS_CLASSES, int64_t, client_label_columns),
    [TABLE_CLIENT_ROUND] = TABLE(SCHEMA_CLIENT_ROUNDS, SHAPE_ROUNDS_CLIENTS, record_client_round,
                                 client_round_columns),
    [TABLE_POSITION] = TABLE(SCHEMA_CHECKPOINT, SHAPE_SCALAR, record_position, position_columns),
};

_Static_assert(N_OF(rank_columns) <= SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");
_Static_assert((int)SUMMARY_COUNT <= (int)SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");
_Static_assert(N_OF(machine_columns) <= SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");

const char *const schema_groups[] = {SCHEMA_CONFIG,     SCHEMA_BUILD,
                                     "/machine",        "/rounds",
                                     "/rounds/ranks",   "/test",
                                     "/shards",         SCHEMA_MODEL,
                                     "/summary",        "/stalls",
                                     SCHEMA_PROGRESS,   SCHEMA_INTERRUPTIONS,
                                     SCHEMA_CLIENTS,    SCHEMA_CLIENT_ROUNDS,
                                     SCHEMA_CHECKPOINT, NULL};

int schema_dims(enum shape shape, const schema_sizes *sizes, size_t dims[2])
{
    switch (shape) {
    case SHAPE_RANKS:
        dims[0] = sizes->n_ranks;
        return 1;
    case SHAPE_ROUNDS:
        dims[0] = sizes->n_rounds;
        return 1;
    case SHAPE_ROUNDS_RANKS:
        dims[0] = sizes->n_rounds;
        dims[1] = sizes->n_ranks;
        return 2;
    case SHAPE_CLASSES:
        dims[0] = sizes->n_classes;
        return 1;
    case SHAPE_PAIRS:
        dims[0] = dims[1] = sizes->n_classes;
        return 2;
    case SHAPE_RANKS_CLASSES:
        dims[0] = sizes->n_ranks;
        dims[1] = sizes->n_classes;
        return 2;
    case SHAPE_CLIENTS:
        dims[0] = sizes->n_clients;
        return 1;
    case SHAPE_ROUNDS_CLIENTS:
        dims[0] = sizes->n_rounds;
        dims[1] = sizes->n_clients;
        return 2;
    case SHAPE_CLIENTS_CLASSES:
        dims[0] = sizes->n_clients;
        dims[1] = sizes->n_classes;
        return 2;
    case SHAPE_INTERRUPTIONS:
        dims[0] = sizes->n_interruptions;
        return 1;
    case SHAPE_SCALAR:
        break;
    }
    return 0;
}

const record_column *schema_column(const schema_table *table, size_t i)
{
    const char *first = (const char *)table->columns;
    return (const record_column *)(const void *)(first + i * table->column_bytes);
}

bool schema_has_group(const char *group, const schema_sizes *sizes)
{
    if (strcmp(group, SCHEMA_INTERRUPTIONS) == 0)
        return sizes->n_interruptions > 0;
    if (strcmp(group, SCHEMA_CLIENTS) == 0 || strcmp(group, SCHEMA_CLIENT_ROUNDS) == 0)
        return sizes->n_clients > 0;
    return strcmp(group, SCHEMA_CHECKPOINT) != 0 || sizes->is_checkpoint;
}

bool schema_has(enum table_id id, const schema_sizes *sizes)
{
    return schema_has_group(schema_tables[id].group, sizes);
}

double schema_bytes(const schema_sizes *sizes)
{
    double sum = SCHEMA_OVERHEAD_BYTES;
    for (int id = 0; id < TABLE_COUNT; id++) {
        const schema_table *table = &schema_tables[id];
        if (!schema_has((enum table_id)id, sizes))
            continue;
        size_t dims[2];
        int n_dims = schema_dims(table->shape, sizes, dims);
        double n = 1;
        for (int i = 0; i < n_dims; i++)
            n *= (double)dims[i];
        for (size_t i = 0; i < table->n_columns; i++)
            sum += n * (double)dataset_bytes(schema_column(table, i), sizes->n_text_bytes);
    }
    return sum;
}
