#include "record/summary.h"

#define NUMBER(member, unit, about) .column = RECORD_COLUMN(record_summary, member, unit, about)
#define LATER(member, unit, about) .column = RECORD_LATER(record_summary, member, unit, about)
#define IS(kind) .shown = SUMMARY_##kind
#define MEAN(kind) .mean = SUMMARY_##kind
#define JSON(place) .at[SUMMARY_JSON] = place
#define RUN(place) .at[SUMMARY_JSON_OF_RUN] = place
#define COLUMNS(place) .at[SUMMARY_COLUMNS] = place
#define LINE(place, begin, end) .at[SUMMARY_TRAIN] = place, .line = begin, .line_end = end
#define CELL(list, place, head, wide) .at[SUMMARY_##list] = place, .title = head, .width = wide

const summary_number summary_numbers[] = {
    {NUMBER(t_time_s, "s", "T_time: wall time from the first step to the last average."),
     MEAN(SPREAD), JSON(1), COLUMNS(2), .digits = 3, CELL(TABLE, 2, "T_time s", 8),
     .spread_width = 7, LINE(2, "T_time", " s")},
    {NUMBER(w_time_s, "s", "W_time: time spent training, the mean over the workers."), MEAN(SPREAD),
     JSON(1), COLUMNS(2), .digits = 3, CELL(TABLE, 2, "W_time s", 8), .spread_width = 7,
     LINE(2, "W_time", " s")},
    {NUMBER(o_time_s, "s", "O_time: T_time - W_time, the overhead."), MEAN(MEAN), JSON(1),
     COLUMNS(2)},
    {NUMBER(work_fraction, "1", "W_time / T_time."), MEAN(MEAN), IS(PER_CENT), JSON(1), COLUMNS(2),
     .digits = 1, CELL(TABLE, 2, "W%", 5), LINE(2, "W% work", " %")},
    {NUMBER(overhead_fraction, "1", "O_time / T_time."), MEAN(SPREAD), IS(PER_CENT), JSON(1),
     COLUMNS(2), .digits = 1, CELL(TABLE, 2, "O%", 5), .spread_width = 5,
     LINE(2, "O% overhead", " %")},
    {NUMBER(o_pack_s, "s",
            "Part of O_time in phase pack, the mean over the workers, as in all five parts."),
     MEAN(MEAN), IS(OF_TIME), JSON(2), COLUMNS(3), .digits = 2, CELL(PARTS, 1, "pack%", 7)},
    {NUMBER(o_wire_s, "s", "Part of O_time in phase wire."), MEAN(MEAN), IS(OF_TIME), JSON(2),
     COLUMNS(3), .digits = 2, CELL(PARTS, 1, "wire%", 7)},
    {NUMBER(o_wait_s, "s", "Part of O_time in phase wait."), MEAN(MEAN), IS(OF_TIME), JSON(2),
     COLUMNS(3), .digits = 2, CELL(PARTS, 1, "wait%", 7)},
    {NUMBER(o_serve_s, "s", "Part of O_time in phase serve."), MEAN(MEAN), IS(OF_TIME), JSON(2),
     COLUMNS(3), .digits = 2, CELL(PARTS, 1, "serve%", 7)},
    {NUMBER(o_other_s, "s", "Part of O_time in no other part."), MEAN(MEAN), IS(OF_TIME), JSON(2),
     COLUMNS(3), .digits = 2, CELL(PARTS, 1, "other%", 7)},
    {NUMBER(speedup, "1", "T_time of a base case / T_time; NaN in a single run."), MEAN(SPREAD),
     JSON(1), COLUMNS(2), .digits = 2, CELL(TABLE, 2, "S", 5), .spread_width = 6},
    {NUMBER(accuracy, "1", "Share of test images the final model classifies rightly."),
     MEAN(SPREAD), IS(PER_CENT), JSON(1), COLUMNS(2), .digits = 2, CELL(TABLE, 2, "Acc %", 5),
     .spread_width = 6, LINE(1, "test accuracy", " %")},
    {LATER(accuracy_tta, "1",
           "The same by the mean of several views of each image; NaN without --tta."),
     MEAN(MEAN), IS(PER_CENT), JSON(1), COLUMNS(3), .digits = 2,
     LINE(1, "test accuracy, TTA", " %")},
    {LATER(
         accuracy_validation, "1",
         "Share of the training images held out the final model classifies rightly; NaN: there are none."),
     MEAN(MEAN), IS(PER_CENT), JSON(1), COLUMNS(3), .digits = 2,
     LINE(1, "validation accuracy", " %")},
    {LATER(accuracy_clients_min, "1",
           "The least share of its own test images that a client's average classifies rightly."),
     IS(PER_CENT), RUN(1), .digits = 2, LINE(1, "clients' accuracy, min", " %")},
    {LATER(accuracy_clients_q1, "1", "The same: a quarter of the clients have less."), IS(PER_CENT),
     RUN(1)},
    {LATER(accuracy_clients_median, "1", "The same: half of the clients have less."), IS(PER_CENT),
     RUN(1), .digits = 2, LINE(1, "clients' accuracy, median", " %")},
    {LATER(accuracy_clients_q3, "1", "The same: a quarter of the clients have more."), IS(PER_CENT),
     RUN(1)},
    {LATER(accuracy_clients_max, "1", "The same: the most that a client has."), IS(PER_CENT),
     RUN(1), .digits = 2, LINE(1, "clients' accuracy, max", " %")},
    {NUMBER(loss, "1", "Mean loss of the final model on the test images."), MEAN(MEAN), RUN(1),
     COLUMNS(2)},
    {NUMBER(images_per_s, "images/s", "Images trained on by all workers / T_time."), MEAN(MEAN),
     JSON(1), COLUMNS(2), CELL(TABLE, 2, "images/s", 8), LINE(2, "images/s", "")},
    {NUMBER(bytes_sent, "byte", "Bytes all ranks sent to average the models."), MEAN(MEAN),
     IS(MEGA), JSON(2), COLUMNS(3), .digits = 2, CELL(PARTS, 1, "sent MB", 10)},
    {NUMBER(nodes, "1", "N: number of workers."), MEAN(SAME), .is_count = true, JSON(2),
     COLUMNS(1)},
    {NUMBER(cores, "threads", "C: OpenMP threads of all workers together, or what --case says."),
     MEAN(SAME), .is_count = true, JSON(2), COLUMNS(1)},
    {NUMBER(repeats, "1", "Runs summed up here: 1."), MEAN(RUNS), .is_count = true, JSON(2),
     COLUMNS(1), CELL(TABLE, 1, "runs", 4)},
    {NUMBER(t_start_s, "s", "Time from the start of the program to the first step."), MEAN(MEAN),
     RUN(2), COLUMNS(3), .digits = 3, CELL(PARTS, 1, "start s", 8)},
    {NUMBER(t_start_mpi_s, "s",
            "Part of t_start_s from the start of the program until MPI was ready."),
     MEAN(MEAN), RUN(2), COLUMNS(3)},
    {NUMBER(t_start_data_s, "s", "Part of t_start_s in which the images were read and dealt out."),
     MEAN(MEAN), RUN(2), COLUMNS(3)},
    {NUMBER(t_target_s, "s", "Time from the first step until the target accuracy was known."),
     RUN(2), .digits = 3, LINE(2, "target reached after", " s")},
    {NUMBER(
         server_cpu_fraction, "1",
         "CPU time of the server / wall time, without start-up and evaluation; NaN if it also trains."),
     IS(PER_CENT), RUN(2), .digits = 1,
     LINE(2, "server's CPU use", " % of a core, evaluation not counted")},
    {NUMBER(rounds, "rounds", "Rounds finished."), .is_count = true, RUN(1)},
    {NUMBER(complete, "1", "1 when the run came to its end, else 0.")},
};
_Static_assert(sizeof summary_numbers / sizeof *summary_numbers == SUMMARY_COUNT,
               "every member of record_summary has its line");

const summary_number *summary_next(enum summary_list list, const summary_number *before)
{
    const summary_number *next = NULL;
    for (const summary_number *one = summary_numbers; one < summary_numbers + SUMMARY_COUNT;
         one++) {
        uint8_t at = one->at[list];
        bool is_behind = at > 0 && (!before || at > before->at[list] ||
                                    (at == before->at[list] && one > before));
        if (is_behind && (!next || at < next->at[list]))
            next = one;
    }
    return next;
}

double *summary_member(const summary_number *self, record_summary *of)
{
    return (double *)(void *)((char *)of + self->column.offset);
}

double summary_value(const summary_number *self, const record_summary *of)
{
    return *(const double *)(const void *)((const char *)of + self->column.offset);
}

double summary_show(const summary_number *self, double value, double t_time_s)
{
    switch ((enum summary_shown)self->shown) {
    case SUMMARY_PER_CENT:
        return 100.0 * value;
    case SUMMARY_OF_TIME:
        return 100.0 * value / t_time_s;
    case SUMMARY_MEGA:
        return value / 1e6;
    case SUMMARY_PLAIN:
        break;
    }
    return value;
}
