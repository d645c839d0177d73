#include "schema.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
/* clang-format off */
#define COLUMN(type, n_bytes, row, member, unit, about) \
    {#member, unit, about, type, offsetof(row, member), n_bytes}
#define F64(row, member, unit, about) COLUMN(COLUMN_F64, 8, row, member, unit, about)
#define I32(row, member, unit, about) COLUMN(COLUMN_I32, 8, row, member, unit, about)
#define TEXT(row, member, about) \
    COLUMN(COLUMN_TEXT, sizeof(((row *)0)->member), row, member, "1", about)
#define PHASE(name, phase, about) \
    {name "_s", "s", about, COLUMN_F64, offsetof(record_rank, t_phase_s[phase]), 8}
#define TABLE(group, shape, row, columns) \
    {group, shape, sizeof(row), columns, N_OF(columns)}
/* clang-format on */

static const schema_column machine_columns[] = {
    I32(record_machine, rank, "1", "Rank in the MPI job; rank 0 is the server."),
    I32(record_machine, threads, "threads", "OpenMP threads the rank computes with."),
    I32(record_machine, cores, "cores", "Processor cores the rank may run on."),
    I32(record_machine, is_server, "1",
        "1 for the rank that averages and writes this file, else 0."),
    I32(record_machine, is_worker, "1", "1 for a rank that trains, else 0."),
    TEXT(record_machine, host, "Name of the host the rank runs on."),
    TEXT(record_machine, cpu, "Processor model, as the system tells it."),
    TEXT(record_machine, binding, "Processors the rank is bound to."),
    TEXT(record_machine, simd, "Vector instructions the kernels were built for."),
    F64(record_machine, memory_bytes, "byte", "Main memory of the host."),
    F64(record_machine, clock_max_mhz, "MHz", "Highest clock the processor may run at."),
    F64(record_machine, cpu_quota, "cores",
        "Processor time the rank's control groups allow, in cores; NaN without a limit."),
};

static const schema_column done_columns[] = {
    {"n_done", "rounds", "Finished rounds: rows 0 to n_done - 1 of every column count.", COLUMN_I64,
     0, 8},
};

static const schema_column round_columns[] = {
    F64(record_round, t_end_s, "s", "Time from the first step to the average of the round."),
    F64(record_round, images, "images", "Images all workers trained on in the round."),
    F64(record_round, passes, "1", "Passes over the training images since the start."),
    F64(record_round, lr, "1", "Learning rate of the last step of the round."),
    F64(record_round, loss, "1", "Training loss, the mean over the images of the round."),
    F64(record_round, accuracy, "1",
        "Share of training images classified rightly before each step."),
};

static const schema_column rank_columns[] = {
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
    F64(record_rank, images, "images", "Images the rank trained on in the round."),
    F64(record_rank, loss, "1", "Training loss, the mean over the rank's images of the round."),
    F64(record_rank, accuracy, "1", "Share of the rank's images classified rightly."),
    F64(record_rank, steps, "steps", "Optimizer steps the rank took in the round."),
    F64(record_rank, skipped, "1",
        "Averages the rank's weights were left out of, because they were not finite."),
    F64(record_rank, bytes_sent, "byte", "Bytes the rank sent to average the models."),
    F64(record_rank, clock_mhz, "MHz", "Processor clock seen last in the round."),
    F64(record_rank, clock_min_mhz, "MHz", "Lowest processor clock seen in the round."),
    F64(record_rank, temperature_c, "degC", "Highest processor temperature seen in the round."),
    F64(record_rank, throttled, "1",
        "Firmware flags of throttling and under-voltage seen in the round; 0 when all is well."),
    F64(record_rank, peak_rss_bytes, "byte", "Most main memory the rank has used so far."),
};

static const schema_column test_columns[] = {
    F64(record_test, loss, "1", "Mean loss on the test images of the model after the round."),
    F64(record_test, accuracy, "1", "Share of test images classified rightly after the round."),
};

static const schema_column confusion_columns[] = {
    {"confusion", "images", "Test images by true class (row) and class predicted (column).",
     COLUMN_I64, 0, 8},
};

static const schema_column class_columns[] = {
    {"class_names", "1", "Names of the classes, in the order of their numbers.", COLUMN_TEXT, 0,
     sizeof((record_file *)0)->class_names[0]},
};

static const schema_column model_round_columns[] = {
    {"round", "1",
     "Round (from 0) the model is the result of; -1: initial weights; -2: no whole model.",
     COLUMN_I64, 0, 8},
};

static const schema_column model_text_columns[] = {
    {"ini", "1", "The model file, word for word.", COLUMN_TEXT, 0, 0},
};

static const schema_column summary_columns[] = {
    F64(record_summary, t_time_s, "s",
        "T_time: wall time from the first step to the last average."),
    F64(record_summary, w_time_s, "s", "W_time: time spent training, the mean over the workers."),
    F64(record_summary, o_time_s, "s", "O_time: T_time - W_time, the overhead."),
    F64(record_summary, work_fraction, "1", "W_time / T_time."),
    F64(record_summary, overhead_fraction, "1", "O_time / T_time."),
    F64(record_summary, o_pack_s, "s",
        "Part of O_time in phase pack, the mean over the workers, as in all five parts."),
    F64(record_summary, o_wire_s, "s", "Part of O_time in phase wire."),
    F64(record_summary, o_wait_s, "s", "Part of O_time in phase wait."),
    F64(record_summary, o_serve_s, "s", "Part of O_time in phase serve."),
    F64(record_summary, o_other_s, "s", "Part of O_time in no other part."),
    F64(record_summary, speedup, "1", "T_time of a base case / T_time; NaN in a single run."),
    F64(record_summary, accuracy, "1", "Share of test images the final model classifies rightly."),
    F64(record_summary, loss, "1", "Mean loss of the final model on the test images."),
    F64(record_summary, images_per_s, "images/s", "Images trained on by all workers / T_time."),
    F64(record_summary, bytes_sent, "byte", "Bytes all ranks sent to average the models."),
    F64(record_summary, nodes, "1", "N: number of workers."),
    F64(record_summary, cores, "threads",
        "C: OpenMP threads of all workers together, or what --case says."),
    F64(record_summary, repeats, "1", "Runs summed up here: 1."),
    F64(record_summary, t_start_s, "s", "Time from the start of the program to the first step."),
    F64(record_summary, t_start_mpi_s, "s",
        "Part of t_start_s from the start of the program until MPI was ready."),
    F64(record_summary, t_start_data_s, "s",
        "Part of t_start_s in which the images were read and dealt out."),
    F64(record_summary, t_target_s, "s",
        "Time from the first step until the target accuracy was known."),
    F64(record_summary, server_cpu_fraction, "1",
        "CPU time of the server / wall time, without start-up and evaluation; NaN if it also "
        "trains."),
    F64(record_summary, rounds, "rounds", "Rounds finished."),
    F64(record_summary, complete, "1", "1 when the run came to its end, else 0."),
};

static const schema_column stall_columns[] = {
    F64(record_stall, n, "1", "How often the rank showed no progress for longer than --stall."),
    F64(record_stall, round, "1", "Round (from 0) of the last time."),
    F64(record_stall, t_s, "s", "Time without a sign of life, when it was noticed the last time."),
    TEXT(record_stall, phase, "Phase the rank was in then."),
};

static const schema_column progress_columns[] = {
    F64(record_progress, round, "1", "Round (from 0) that is going on."),
    F64(record_progress, images, "images", "Images all workers have trained on in it."),
    F64(record_progress, round_images, "images", "Images of a whole round, about."),
    F64(record_progress, tested, "1",
        "Share done of the test that everything waits for; NaN when there is none."),
    F64(record_progress, t_s, "s", "Time since the first step, when this was written."),
    F64(record_progress, t_tests_s, "s",
        "Time of the tests to come that everything waits for, about."),
};

static const schema_column interruption_columns[] = {
    F64(record_interruption, rounds, "rounds", "Rounds that were done when the run went on."),
    F64(record_interruption, t_lost_s, "s",
        "Time from the end of the last of them to the moment the run went on."),
    F64(record_interruption, workers_before, "1", "Workers until then."),
    F64(record_interruption, workers_after, "1", "Workers from then on."),
    F64(record_interruption, signal, "1",
        "Number of the signal that stopped the run; 0: none, it just ended."),
};

static const schema_column position_columns[] = {
    {"n_workers", "1", "Workers of the run.", COLUMN_I64, offsetof(record_position, n_workers), 8},
    {"n_train", "images", "Training images of all workers.", COLUMN_I64,
     offsetof(record_position, n_train), 8},
    {"n_test", "images", "Test images.", COLUMN_I64, offsetof(record_position, n_test), 8},
    {"data_checksum", "1", "Checksum of labels and of samples of the images.", COLUMN_I64,
     offsetof(record_position, data_checksum), 8},
    {"signal", "1", "Number of the signal that stopped the run; 0: none.", COLUMN_I64,
     offsetof(record_position, signal), 8},
    F64(record_position, t_date_s, "s", "End of the last round, in seconds since 1970."),
};

const schema_table schema_tables[TABLE_COUNT] = {
    [TABLE_MACHINE] = TABLE("/machine", SHAPE_RANKS, record_machine, machine_columns),
    [TABLE_DONE] = TABLE("/rounds", SHAPE_SCALAR, int64_t, done_columns),
    [TABLE_ROUND] = TABLE("/rounds", SHAPE_ROUNDS, record_round, round_columns),
    [TABLE_RANK] = TABLE("/rounds/ranks", SHAPE_ROUNDS_RANKS, record_rank, rank_columns),
    [TABLE_TEST] = TABLE("/test", SHAPE_ROUNDS, record_test, test_columns),
    [TABLE_CONFUSION] = TABLE("/test", SHAPE_PAIRS, int64_t, confusion_columns),
    [TABLE_CLASSES] = TABLE("/test", SHAPE_CLASSES, char[32], class_columns),
    [TABLE_ROUND_OF_MODEL] = TABLE(SCHEMA_MODEL, SHAPE_SCALAR, int64_t, model_round_columns),
    [TABLE_TEXT_OF_MODEL] = TABLE(SCHEMA_MODEL, SHAPE_SCALAR, char, model_text_columns),
    [TABLE_SUMMARY] = TABLE("/summary", SHAPE_SCALAR, record_summary, summary_columns),
    [TABLE_STALL] = TABLE("/stalls", SHAPE_RANKS, record_stall, stall_columns),
    [TABLE_PROGRESS] = TABLE(SCHEMA_PROGRESS, SHAPE_SCALAR, record_progress, progress_columns),
    [TABLE_INTERRUPTION] =
        TABLE(SCHEMA_INTERRUPTIONS, SHAPE_INTERRUPTIONS, record_interruption, interruption_columns),
    [TABLE_POSITION] = TABLE(SCHEMA_CHECKPOINT, SHAPE_SCALAR, record_position, position_columns),
};

_Static_assert(N_OF(rank_columns) <= SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");
_Static_assert(N_OF(summary_columns) <= SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");
_Static_assert(N_OF(machine_columns) <= SCHEMA_MAX_COLUMNS, "SCHEMA_MAX_COLUMNS");

const char *const schema_groups[] = {SCHEMA_CONFIG,
                                     SCHEMA_BUILD,
                                     "/machine",
                                     "/rounds",
                                     "/rounds/ranks",
                                     "/test",
                                     SCHEMA_MODEL,
                                     "/summary",
                                     "/stalls",
                                     SCHEMA_PROGRESS,
                                     SCHEMA_INTERRUPTIONS,
                                     SCHEMA_CHECKPOINT,
                                     NULL};

const char *const schema_tensor_unit = "1";
const char *const schema_tensor_about =
    "Weights of the model, row-major and named as in PyTorch's state_dict.";

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
    case SHAPE_INTERRUPTIONS:
        dims[0] = sizes->n_interruptions;
        return 1;
    case SHAPE_SCALAR:
        break;
    }
    return 0;
}

bool schema_has(enum table_id id, const schema_sizes *sizes)
{
    return (id != TABLE_INTERRUPTION || sizes->n_interruptions > 0) &&
           (id != TABLE_POSITION || sizes->is_checkpoint);
}

size_t schema_element_bytes(const schema_column *column, const schema_sizes *sizes)
{
    return column->n_bytes > 0 ? column->n_bytes : sizes->n_text_bytes;
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
            sum += n * (double)schema_element_bytes(&table->columns[i], sizes);
    }
    return sum;
}
